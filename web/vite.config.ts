// How the pages are built: every folder of pages/ that has an index.html, the front page and the console, into dist/, which the
// binary embeds. Nothing is inlined, because the pages are served under a policy that forbids it.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const pages = readdirSync(here('pages'))
  .map((name) => here(`pages/${name}/index.html`))
  .filter((file) => existsSync(file));

export default defineConfig({
  root: here('.'),
  publicDir: false,
  resolve: { alias: { '@ringdown/client': here('../sdk/js/src/index.ts') } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300, // kB
    rolldownOptions: { input: [here('index.html'), here('console/index.html'), ...pages] },
  },
  plugins: [
    {
      name: 'keep-the-folder', // so that the binary can be built where the pages are not
      closeBundle: () => writeFileSync(here('dist/.keep'), ''),
    },
  ],
});
