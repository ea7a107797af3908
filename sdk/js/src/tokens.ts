// The token: asked for when it is first needed, and again before it ends or when the server does not want it any more.

import type { Clock } from './clock.js';
import { fromBase64 } from './payload.js';

/** Gets a token. renew: the one that was given before is about to end, or was refused; a cached one will not do. */
export type GetToken = (renew: boolean) => string | Promise<string>;

const margin = 0.1; // of a token's remaining life; it is renewed when so much is left
const atMost = 60_000; // ms that the margin is at most

export class Tokens {
  #get: GetToken | undefined;
  #clock: Clock;
  #token: string | undefined;
  #due = Infinity; // when to renew it
  #refusals = 0; // in a row
  #asked = false;

  constructor(token: string | GetToken | undefined, clock: Clock) {
    this.#clock = clock;
    if (typeof token === 'string') this.#token = token;
    else this.#get = token;
  }

  /** Whether there is something to ask for; if not, current is all there is. */
  get wanted(): boolean {
    return this.#get !== undefined && (this.#token === undefined || this.#clock.now() >= this.#due);
  }

  get current(): string | undefined {
    return this.#token;
  }

  /** In how many ms the token is to be renewed; Infinity if nobody knows. */
  get dueIn(): number {
    return this.#due - this.#clock.now();
  }

  /** Asks the program for a token. */
  async renew(): Promise<string> {
    const again = this.#asked;
    this.#asked = true;
    const token = await this.#get!(again);
    this.#token = token;
    const left = expiry(token) - this.#clock.now();
    this.#due = this.#clock.now() + left - Math.min(left * margin, atMost);
    return token;
  }

  /** The server has taken the token. */
  accepted(): void {
    this.#refusals = 0;
  }

  /** The server has refused the token. Tells whether to come with another makes sense: not if a new one is refused, too. */
  refused(): boolean {
    if (!this.#get) return false;
    this.#token = undefined;
    return ++this.#refusals <= 2;
  }
}

/** When a JSON Web Token ends, in ms since 1970; Infinity for what is none. */
function expiry(token: string): number {
  try {
    const claims = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const { exp } = JSON.parse(new TextDecoder().decode(fromBase64(claims))) as { exp?: number };
    return typeof exp === 'number' ? exp * 1000 : Infinity;
  } catch {
    return Infinity;
  }
}
