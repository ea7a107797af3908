import { expect, it } from 'vitest';
import { bytesOf, fromBase64, hex, oneLine, pretty } from '../payload.ts';

it('shows JSON over several lines, and nothing else', () => {
  expect(pretty('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  for (const text of ['hello', '17', '"text"', '{"cut":', '']) expect(pretty(text)).toBeUndefined();
});

it('shows bytes with their letters', () =>
  expect(hex(Uint8Array.from([...bytesOf('Ringdown, 線'), 0, 1, 255]))).toBe(
    '000000  52 69 6e 67 64 6f 77 6e  2c 20 e7 b7 9a 00 01 ff  Ringdown, ······',
  ));

it('fills up the last line', () => expect(hex(new Uint8Array(17)).split('\n')[1]).toBe(`000010  00${' '.repeat(48)}·`));

it('reads base64 as bytes', () => expect([...fromBase64('AP+A')]).toEqual([0, 255, 128]));

it('puts a text on one line', () => {
  expect(oneLine('a\n  b')).toBe('a b');
  expect(oneLine('x'.repeat(500), 10)).toBe('xxxxxxxxxx…');
});
