// A clock that goes when it is told to.

import type { Clock } from '../src/clock.js';

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

/** Timers are a heap, for storms have many. */
export class TestClock implements Clock {
  #now = 0;
  #order = 0;
  #heap: Timer[] = [];
  readonly now = () => this.#now;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#push(timer);
    return () => {
      timer.run = () => {};
    };
  };

  /** Lets time pass, and all that happens meanwhile: timers, and the promises between them. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) {
      this.#runNext();
      await settle();
    }
    this.#now = end;
  }

  /** As pass, for what needs no promises. */
  passAtOnce(ms: number): void {
    const end = this.#now + ms;
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) this.#runNext();
    this.#now = end;
  }

  /** The machine sleeps: time passes, and no timer runs until it is over. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
    await this.pass(0);
  }

  #runNext(): void {
    const timer = this.#pop();
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
  }

  #before(a: Timer, b: Timer): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(timer, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timer;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

/** Lets all promises come to rest. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

/** Random numbers that are the same each time (mulberry32). */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
