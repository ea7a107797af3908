// Time, as everything here takes it: injected, so that tests can have it pass as they like.

/** A clock and its timers. Times and durations are in milliseconds. */
export interface Clock {
  now(): number;
  /** Runs once, after so long; what it returns cancels. */
  after(ms: number, run: () => void): () => void;
}

const longest = 2 ** 31 - 1; // ms; what setTimeout takes, about 24 days

/** The machine's own clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, longest));
    return () => clearTimeout(timer);
  },
};
