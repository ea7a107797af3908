// A feed: events that wait to be taken by a loop.

import type { ChannelEvent, Gap, Message } from './message.js';

/** Holds so many events. When the loop is slower than that, the oldest give way to a gap in their place, so nothing is lost unnoticed. */
export class Feed<T> implements AsyncIterableIterator<ChannelEvent<T>> {
  #limit: number;
  #left: () => void;
  #events: ChannelEvent<T>[] = [];
  #gap: Gap | undefined; // in place of what was dropped, before all events
  #takers: ((result: Promise<IteratorResult<ChannelEvent<T>>>) => void)[] = [];
  #over: Promise<IteratorResult<ChannelEvent<T>>> | undefined;

  constructor(limit: number, left: () => void) {
    this.#limit = limit;
    this.#left = left;
  }

  push(event: ChannelEvent<T>): void {
    const taker = this.#takers.shift();
    if (taker) return taker(Promise.resolve({ value: event, done: false }));
    this.#events.push(event);
    if (this.#events.length > this.#limit) this.#gap = gapFor(this.#events.shift()!, this.#gap);
  }

  /** Ends the loop when it has taken what waits: by an error, if there is one. */
  end(error?: Error): void {
    if (this.#over) return;
    this.#over = error ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
    this.#over.catch(() => {}); // it may be that nobody takes any more
    for (const taker of this.#takers.splice(0)) taker(this.#over);
  }

  next(): Promise<IteratorResult<ChannelEvent<T>>> {
    const value = this.#gap ?? this.#events.shift();
    this.#gap = undefined;
    if (value) return Promise.resolve({ value, done: false });
    return this.#over ?? new Promise((resolve) => this.#takers.push(resolve));
  }

  return(): Promise<IteratorResult<ChannelEvent<T>>> {
    this.#events = [];
    this.#gap = undefined;
    this.#left();
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The gap that stands for what was dropped already, and for one event more. */
function gapFor(event: Message<unknown> | Gap, before: Gap | undefined): Gap {
  const [from, to] = event.type === 'gap' ? [event.from, event.to] : [event.offset, event.offset];
  const { channel, cursor } = event;
  return { type: 'gap', channel, cursor, from: before ? before.from : from, to, recovered: true };
}
