// The day: events by their offsets, each once, in whatever order they were learned, and how the matches stand after them.

import type { Message } from '@ringdown/client';

export interface Match {
  match: number;
  home: string;
  away: string;
  goals: [number, number];
  minute: number;
  state: 'to come' | 'first half' | 'break' | 'second half' | 'over';
}

/** An event says what happened, and how its match stands after it; a table, how all of them stand. */
export type Happened = Match & { player?: string; side: 0 | 1 };
export type Told = Happened | Match[];

const kept = 2000; // events

export class Day {
  matches: Match[] = [];
  /** When each match stood so: Unix time in ms. */
  since = new Map<number, number>();
  /** Without the tables, the oldest first. */
  events: { offset: number; event: string; told: Happened }[] = [];
  first = 0;
  last = 0;
  missing = 0;
  #all = new Map<number, Message<Told>>();

  /** Takes an event in, if it is not known. */
  take(message: Message<Told>): boolean {
    if (this.#all.has(message.offset)) return false;
    this.#all.set(message.offset, message);
    if (message.offset < this.last || this.#all.size > kept) this.#sort();
    else this.#add(message);
    this.#count();
    return true;
  }

  // Begins anew, with what was learned late in its place.
  #sort(): void {
    const all = [...this.#all.values()].sort((a, b) => a.offset - b.offset).slice(-kept);
    this.#all = new Map(all.map((message) => [message.offset, message]));
    [this.matches, this.events] = [[], []];
    for (const message of all) this.#add(message);
  }

  #add({ offset, event = '', data, time }: Message<Told>): void {
    this.last = offset;
    for (const { match } of Array.isArray(data) ? data : [data]) this.since.set(match, Date.parse(time));
    if (Array.isArray(data)) {
      this.matches = data;
      return;
    }
    this.events.push({ offset, event, told: data });
    this.matches = [...this.matches.filter(({ match }) => match !== data.match), data].sort((a, b) => a.match - b.match);
  }

  #count(): void {
    this.first = Math.min(...this.#all.keys());
    this.missing = this.last - this.first + 1 - this.#all.size;
  }
}
