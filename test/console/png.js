// Pictures of pages in little room: browsers write PNGs in a hurry and in true colour, and a page has few colours.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const most = 256; // colours of a palette
const alike = 12; // square of a distance between colours

/** A PNG of 8-bit RGB, as Chromium makes them, with a palette: of its most frequent colours, and for each other the nearest of them. */
export function packed(png) {
  const { width, height, rgb } = decoded(png);
  const counts = new Map();
  for (let at = 0; at < rgb.length; at += 3) {
    const color = rgb.readUIntBE(at, 3);
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  const palette = paletteOf([...counts].sort(([, a], [, b]) => b - a).map(([color]) => color));
  const index = new Map([...counts.keys()].map((color) => [color, nearest(palette, color)]));

  const lines = Buffer.alloc(height * (width + 1)); // a byte in front of each line says that it is not filtered
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) lines[y * (width + 1) + 1 + x] = index.get(rgb.readUIntBE(at, 3));
  }
  const colors = Buffer.alloc(3 * palette.length);
  palette.forEach((color, i) => colors.writeUIntBE(color, 3 * i, 3));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8); // bits, and that they are of a palette
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', header), chunk('PLTE', colors), chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

const away = (a, b) => ((a >> 16) - (b >> 16)) ** 2 + (((a >> 8) & 255) - ((b >> 8) & 255)) ** 2 + ((a & 255) - (b & 255)) ** 2;

/** The first colours, the most frequent ones, without those that the eye does not tell from one before, so that rare ones have room. */
function paletteOf(colors) {
  const palette = [];
  for (const color of colors) {
    if (palette.length === most) break;
    if (!palette.some((other) => away(other, color) < alike)) palette.push(color);
  }
  return palette;
}

function nearest(palette, color) {
  let best = 0;
  for (let i = 1; i < palette.length; i++) if (away(palette[i], color) < away(palette[best], color)) best = i;
  return best;
}

/** The pixels of a PNG (PNG specification, §9: each line is stored as what it differs from its neighbours). */
function decoded(png) {
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const [width, height, bits, kind] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]];
  if (bits !== 8 || kind !== 2) throw new Error(`the picture is of ${bits} bits and kind ${kind}; 8 and 2 are understood`);
  const stored = inflateSync(Buffer.concat(parts));
  const line = 3 * width;
  const rgb = Buffer.alloc(height * line);
  for (let y = 0; y < height; y++) {
    const filter = stored[y * (line + 1)];
    for (let x = 0; x < line; x++) {
      const left = x < 3 ? 0 : rgb[y * line + x - 3];
      const up = y === 0 ? 0 : rgb[(y - 1) * line + x];
      const corner = x < 3 || y === 0 ? 0 : rgb[(y - 1) * line + x - 3];
      rgb[y * line + x] = stored[y * (line + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
  }
  return { width, height, rgb };
}

/** That of three neighbours which is nearest to what they foretell. */
function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
