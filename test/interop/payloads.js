// Messages to send: text that is awkward to cut, bytes of every value, and JSON that resembles what came before.

const letters = Buffer.from('line, Läutwerk, линия, 電話線, 📞 ');

/** UTF-8 of exactly size bytes. Its characters are one to four bytes long. */
export function text(size) {
  const bytes = Buffer.alloc(size, letters);
  let whole = size; // a character that the end cuts goes
  while (whole > 0 && bytes.subarray(0, whole).toString().endsWith('\ufffd')) whole--;
  return bytes.fill('x', whole);
}

/** Bytes of every value that a compressor finds little in. */
export function binary(size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = size + 1; i < size; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** The nth of many JSON messages: alike, never the same, of a few hundred bytes to a few thousand. */
export function json(n) {
  const stops = Array.from({ length: 3 + (n % 40) }, (_, i) => ({ stop: `station ${(n * 7 + i) % 90}`, at: 1_700_000_000 + n * 61 + i * 97, late: (n * i) % 5 }));
  return Buffer.from(JSON.stringify({ id: n, type: 'departure', line: `S${n % 9}`, note: 'Bitte beachten: geänderte Ankunft', stops }));
}

/** The bytes in as many pieces as said, cut without regard to characters. */
export function pieces(bytes, count) {
  const length = Math.ceil(bytes.length / count) || 1;
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * length, (i + 1) * length));
}
