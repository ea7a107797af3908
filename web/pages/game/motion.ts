// Motion: the arena at any moment, between the two states around it. It is shown a little late, so that there is a later one.

import type { Disc, State } from './state.ts';

const late = 100; // ms: three states
const kept = 30; // states
const jump = 0.15; // who moved further between two states has not moved: he began again elsewhere

export class Motion {
  #states: State[] = [];
  #ahead = Infinity; // ms by which our clock is ahead of the server's, and the quickest message underway

  take(state: State, now: number): void {
    if (state.time < (this.#states.at(-1)?.time ?? 0)) this.#states = []; // the server has begun anew
    if (this.#states.length === 0) this.#ahead = Infinity;
    this.#ahead = Math.min(this.#ahead + 0.02, now - state.time); // creeps, so that it finds its way after the clocks have drifted apart
    this.#states = [...this.#states, state].slice(-kept);
  }

  /** The arena as it is to be shown now; undefined before the first state. */
  at(now: number): State | undefined {
    const time = now - this.#ahead - late;
    const next = this.#states.findIndex((state) => state.time >= time);
    const after = this.#states.at(next); // the newest, if all are before
    const before = this.#states[next - 1];
    if (!after || !before) return after;
    const share = (time - before.time) / (after.time - before.time);
    const discs = after.discs.map((disc) => between(before.discs.find(({ number }) => number === disc.number), disc, share));
    return { ...after, discs };
  }
}

function between(from: Disc | undefined, to: Disc, share: number): Disc {
  if (!from || Math.hypot(to.x - from.x, to.y - from.y) > jump) return to;
  return { ...to, x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}
