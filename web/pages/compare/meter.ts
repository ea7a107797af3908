// What was measured of one way: how late messages came, and what they took. Only the last minute counts.

import type { Ear, Tick } from './ways.ts';

const span = 60_000; // ms

type Sample = readonly [at: number, value: number];

export class Meter implements Ear {
  #now: () => number; // of the server's clock, in ms
  #latencies: Sample[] = [];
  #out: Sample[] = [];
  #in: Sample[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  heard({ sent }: Tick): void {
    const now = this.#now();
    this.#latencies.push([now, Math.max(0.01, now - sent)]); // two clocks that are nearly one may disagree by more than that
  }

  asked(bytes: number): void {
    this.#out.push([this.#now(), bytes]);
  }

  got(bytes: number): void {
    this.#in.push([this.#now(), bytes]);
  }

  reset(): void {
    [this.#latencies, this.#out, this.#in] = [[], [], []];
  }

  /** The figures of the last minute. */
  read() {
    const since = this.#now() - span;
    [this.#latencies, this.#out, this.#in] = [this.#latencies, this.#out, this.#in].map((all) => all.filter(([at]) => at > since)) as [Sample[], Sample[], Sample[]];
    const sorted = this.#latencies.map(([, latency]) => latency).sort((a, b) => a - b);
    const messages = sorted.length;
    const seconds = messages > 1 ? (this.#latencies.at(-1)![0] - this.#latencies[0]![0]) / 1000 : 0;
    return {
      messages,
      median: sorted[Math.floor(messages / 2)],
      late: sorted[Math.floor(messages * 0.95)],
      perMinute: seconds ? (this.#out.length / Math.max(seconds, 1)) * 60 : 0,
      requests: this.#out.length,
      outEach: messages ? sum(this.#out) / messages : 0,
      inEach: messages ? sum(this.#in) / messages : 0,
    };
  }

  /** The median of what came between two moments, for the chart. */
  between(from: number, to: number): number | null {
    const values = this.#latencies.filter(([at]) => at > from && at <= to).map(([, latency]) => latency).sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)] ?? null;
  }
}

function sum(samples: Sample[]): number {
  return samples.reduce((total, [, value]) => total + value, 0);
}
