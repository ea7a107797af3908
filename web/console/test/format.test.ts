import { describe, expect, it } from 'vitest';
import { ago, bytes, count, duration, plural, short, transport } from '../format.ts';

describe('numbers', () => {
  it.each([[0, '0'], [7, '7'], [8.6, '8.60'], [999, '999'], [1000, '1 k'], [12_345, '12.3 k'], [100_000, '100 k'], [2_500_000, '2.50 M']])('%d is %s', (n, text) =>
    expect(short(n)).toBe(text));
  it.each([[0, '0 B'], [1023, '1023 B'], [1024, '1 KiB'], [1536, '1.50 KiB'], [64 << 20, '64 MiB'], [5.5 * 2 ** 40, '5.50 TiB'], [9e16, '81855 TiB']])('%d is %s', (n, text) =>
    expect(bytes(n)).toBe(text));
  it('has commas, and one of a thing', () => {
    expect(count(1_234_567)).toBe('1,234,567');
    expect(plural(1, 'session')).toBe('1 session');
    expect(plural(2000, 'session')).toBe('2,000 sessions');
  });
});

describe('times', () => {
  it.each([
    [0, '0 s'], [0.0003, '300 µs'], [0.0014, '1.4 ms'], [0.25, '250 ms'], [2, '2 s'], [2.34, '2.3 s'], [59, '59 s'], [60, '1 min'], [125, '2 min 5 s'],
    [3600, '1 h'], [7500, '2 h 5 min'], [90_061, '1 d 1 h'], [8_640_000, '100 d'],
  ])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('says how long ago something was, also if the clocks differ', () => {
    const now = Date.parse('2026-01-02T10:00:00Z');
    expect(ago('2026-01-02T09:58:00Z', now)).toBe('2 min ago');
    expect(ago('2026-01-02T10:00:05Z', now)).toBe('now');
  });
});

it('calls transports by their names, and new ones by what they are called', () => {
  expect(transport('sse')).toBe('SSE');
  expect(transport('carrier_pigeon')).toBe('carrier_pigeon');
});
