import { describe, expect, it } from 'vitest';
import { kept, Samples, stacked } from '../samples.ts';
import type { Sample } from '../types.ts';

const start = Date.parse('2026-01-02T10:00:00Z');

/** A sample at a second, with a counter. */
const at = (second: number, counted: number, connections: Record<string, number> = {}): Sample =>
  ({ time: new Date(start + second * 1000).toISOString(), deliveries: counted, connections }) as Sample;

const of = (...all: Sample[]): Samples => {
  const samples = new Samples();
  samples.add(all);
  return samples;
};

const deliveries = (sample: Sample) => sample.deliveries;

describe('rates', () => {
  it('are growth a second, from the second sample on', () => expect(of(at(0, 5), at(1, 15), at(3, 35)).rate(deliveries)).toEqual([null, 10, 10]));
  it('break off over a gap', () => expect(of(at(0, 0), at(1, 10), at(61, 700), at(62, 710)).rate(deliveries)).toEqual([null, 10, null, 10]));
  it('break off where the node began anew', () => expect(of(at(0, 1000), at(1, 3), at(2, 5)).rate(deliveries)).toEqual([null, null, 2]));
  it('are averaged for reading', () => {
    expect(of(at(0, 0), at(1, 10), at(2, 30)).lately(deliveries)).toBe(15);
    expect(of(at(0, 0)).lately(deliveries)).toBeNull();
  });
});

it('what holds breaks off over a gap', () => expect(of(at(0, 1), at(1, 2), at(9, 3)).level(deliveries)).toEqual([1, 2, null]));

it('samples that come again after a reconnect count once', () => {
  const samples = of(at(0, 0), at(1, 1));
  samples.add([at(0, 0), at(1, 1), at(2, 2)]);
  expect(samples.times.length).toBe(3);
});

it('ten minutes are kept', () => {
  const samples = of(...Array.from({ length: 900 }, (_, i) => at(i, i)));
  expect(samples.all.length).toBe(kept);
  expect(samples.last?.deliveries).toBe(899);
});

it('transports come in the order of their use, without those that nobody used', () =>
  expect(of(at(0, 0, { sse: 2, poll: 0 }), at(1, 0, { websocket: 9, sse: 1 })).transports()).toEqual(['websocket', 'sse']));

it('stacks values upon each other, and leaves gaps', () =>
  expect(stacked([[1, null, 3], [10, 20, 30], [100, null, 300]])).toEqual([[1, null, 3], [11, 20, 33], [111, null, 333]]));
