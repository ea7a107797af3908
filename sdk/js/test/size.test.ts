// What the client costs a page to load.

import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** The sizes of the package's parts, minified and compressed: what every page loads, and what only those do where WebSockets do not pass. */
async function sizes() {
  const { outputFiles, metafile } = await build({
    entryPoints: [new URL('../src/index.ts', import.meta.url).pathname],
    bundle: true, minify: true, splitting: true, format: 'esm', metafile: true, outdir: 'out', write: false,
  });
  const sizes: Record<string, number> = {};
  for (const { path, contents } of outputFiles) {
    const entry = Object.entries(metafile.outputs).find(([name]) => path.endsWith(name))?.[1].entryPoint;
    sizes[entry?.includes('fallback') ? 'fallback' : 'page'] = (sizes[entry?.includes('fallback') ? 'fallback' : 'page'] ?? 0) + gzipSync(contents, { level: 9 }).length;
  }
  return sizes;
}

test('a page loads less than 8 KB, and less than 4 KB more where WebSockets do not pass', async () => {
  const { page, fallback } = await sizes();
  console.info(`page ${page} bytes, fallback ${fallback} bytes`);
  expect(page).toBeLessThan(8 * 1024);
  expect(fallback).toBeLessThan(4 * 1024);
});

test('the README tells the sizes', async () => {
  const { page, fallback } = await sizes();
  const told = /([\d.]+) KB \(minified,\s+gzipped\), and ([\d.]+) KB more/.exec(readFileSync(new URL('../README.md', import.meta.url), 'utf8'));
  expect(Math.abs(page! / 1024 - Number(told?.[1]))).toBeLessThan(0.15);
  expect(Math.abs(fallback! / 1024 - Number(told?.[2]))).toBeLessThan(0.15);
});
