// Which transport to use: the best of those that really pass something, remembered.

import type { Clock } from './clock.js';
import type { Ending, Transport } from './transports/transport.js';

/** Where it is remembered which transport worked: localStorage, or anything like it. */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const tries = 3; // attempts in a row after which a transport that has worked is not believed in alone any more
const soon = 30_000; // ms until the best is tried again where it has worked before
const good = 600_000; // ms until then where it has not; and how long it is remembered that another one worked
const seldom = 3_600_000; // ms; the time doubles up to this

export class Chooser {
  #all: readonly Transport[];
  #clock: Clock;
  #memory: Memory | undefined;
  #key: string;
  #at = 0;
  #failures = 0;
  #proven = false; // the transport has worked
  #best = false; // the best one has worked
  #pause = good; // until the best is tried again
  #again = Infinity; // when that is

  constructor(all: readonly Transport[], clock: Clock, memory: Memory | undefined, place: string) {
    this.#all = all;
    this.#clock = clock;
    this.#memory = memory;
    this.#key = `ringdown:${place}`;
    this.#recall();
  }

  /** The transport for the next attempt. */
  get current(): Transport {
    return this.#all[this.#at]!;
  }

  get best(): Transport {
    return this.#all[0]!;
  }

  /** Whether the present transport is not the best. */
  get settles(): boolean {
    return this.#at > 0;
  }

  /** In how many ms the best is to be tried again. */
  get againIn(): number {
    return Math.max(0, this.#again - this.#clock.now());
  }

  /** The transport has passed frames both ways. */
  worked(): void {
    this.#failures = 0;
    this.#proven = true;
    if (!this.settles) this.#best = true;
    else if (this.#again === Infinity) this.#again = this.#clock.now() + (this.#pause = this.#best ? soon : good);
    this.#use(() => this.#memory?.setItem(this.#key, `${this.current.name} ${this.#clock.now()}`));
  }

  /**
   * An attempt over the transport has failed. Tells whether to try the next one at once: after a WebSocket, for which nobody says why; and
   * after one that passed nothing, or was refused by something that is not the server. When nothing answers at all, nor will it to the
   * next.
   */
  failed({ kind, code, status }: Ending): boolean {
    this.#failures++;
    if (this.#proven && this.#failures % tries !== 0) return false;
    const worth = !this.settles || kind === 'silent' || status !== undefined;
    if (worth && code === undefined && this.#at + 1 < this.#all.length) {
      this.#at++;
      this.#failures--; // it is still the same attempt
      return true;
    }
    this.#at = 0;
    return false;
  }

  /** An open link passes nothing of what it should. Over anything but a WebSocket, that may be the transport's fault. */
  doubt(): void {
    if (this.settles) this.#proven = false;
  }

  /** The best one has been tried, and does not work yet. */
  later(): void {
    this.#pause = Math.min(this.#pause * 2, seldom);
    this.#again = this.#clock.now() + this.#pause;
  }

  /** What was learned is of no use any more: the network is another, or the best transport works. */
  forget(): void {
    this.#again = Infinity;
    this.#proven = false;
    this.#at = 0;
  }

  #recall(): void {
    this.#use(() => {
      const [name, since] = (this.#memory?.getItem(this.#key) ?? '').split(' ');
      const at = this.#all.findIndex((transport) => transport.name === name);
      const until = Number(since) + good;
      if (at < 0 || !(this.#clock.now() < until)) return;
      this.#at = at;
      this.#proven = true;
      if (at > 0) this.#again = until;
    });
  }

  // Storage may be forbidden or full, which costs no more than the memory.
  #use(storage: () => void): void {
    try {
      storage();
    } catch {
      this.#memory = undefined;
    }
  }
}
