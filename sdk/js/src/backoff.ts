// When to try again: exponential, with full jitter, so that the clients of a server that was away do not come back all at once.

/** The bounds of the time within which the next attempt is made, in ms. */
export interface BackoffOptions {
  /** The first attempt is made within this time. 1000 unless told otherwise. */
  min?: number;
  /** It doubles with each failure, up to this. 30,000 unless told otherwise. */
  max?: number;
}

export const steady = 10_000; // ms that a connection must have been open for its end to count as a first failure
const longestAsked = 3_600_000; // ms; what a server may ask for at most

export class Backoff {
  #min: number;
  #max: number;
  #random: () => number;
  #failures = 0;

  constructor({ min = 1_000, max = 30_000 }: BackoffOptions, random: () => number) {
    this.#min = min;
    this.#max = Math.max(min, max);
    this.#random = random;
  }

  /** Forgets failures: there is new reason to hope. */
  reset(): void {
    this.#failures = 0;
  }

  /** Tells how long the last connection was open, in ms. */
  opened(ms: number): void {
    if (ms >= steady) this.reset();
  }

  /** How long to wait after another failure; not less than the server has asked for. */
  next(asked = 0): number {
    const ceiling = Math.min(this.#max, this.#min * 2 ** Math.min(this.#failures++, 32));
    if (asked > 0) return Math.min(asked, longestAsked) + this.#random() * this.#min; // many may have been told the same
    return this.#random() * ceiling;
  }
}
