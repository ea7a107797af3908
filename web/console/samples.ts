// The last ten minutes of samples, and what is drawn of them: counters become rates, and where something is missing the line is broken.

import type { Sample } from './types.ts';

export const kept = 600; // samples, one a second
const gap = 3; // seconds between two samples, past which something is missing between them

/** A value for each sample; null is none. */
export type Values = (number | null)[];

export class Samples {
  all: Sample[] = [];
  /** Seconds since 1970, of each. */
  times: number[] = [];

  /** Adds those that are newer than what there is. */
  add(more: Sample[]): void {
    for (const sample of more) {
      const at = Date.parse(sample.time) / 1000;
      if (at <= (this.times.at(-1) ?? -Infinity)) continue;
      this.all.push(sample);
      this.times.push(at);
    }
    this.all = this.all.slice(-kept);
    this.times = this.times.slice(-kept);
  }

  get last(): Sample | undefined {
    return this.all.at(-1);
  }

  /** What holds at each moment. */
  level(of: (sample: Sample) => number): Values {
    return this.all.map((sample, i) => (this.broken(i) ? null : of(sample)));
  }

  /** A counter's growth a second. Over a gap, and where the node has begun anew, there is none. */
  rate(of: (sample: Sample) => number): Values {
    return this.all.map((sample, i) => {
      if (i === 0 || this.broken(i)) return null;
      const more = of(sample) - of(this.all[i - 1]!);
      return more < 0 ? null : more / (this.times[i]! - this.times[i - 1]!);
    });
  }

  /** A counter's growth a second over the last few samples: a number that can be read while it changes. */
  lately(of: (sample: Sample) => number, over = 5): number | null {
    const some = this.rate(of).slice(-over).filter((value) => value !== null);
    return some.length ? some.reduce((sum, value) => sum + value, 0) / some.length : null;
  }

  /** The transports that anybody used in these minutes, in the order of how many. */
  transports(): string[] {
    const most = new Map<string, number>();
    for (const { connections } of this.all) {
      for (const [name, n] of Object.entries(connections)) if (n > 0) most.set(name, Math.max(n, most.get(name) ?? 0));
    }
    return [...most].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([name]) => name);
  }

  private broken(i: number): boolean {
    return i > 0 && this.times[i]! - this.times[i - 1]! > gap;
  }
}

/** Lays values upon each other: the first is the lowest. */
export function stacked(all: Values[]): Values[] {
  const sum: number[] = [];
  return all.map((values) =>
    values.map((value, i) => {
      if (value === null) return null;
      return (sum[i] = (sum[i] ?? 0) + value);
    }),
  );
}
