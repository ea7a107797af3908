// Chromium without a window and without errands of its own, for scripts outside this folder.

import { chromium } from 'playwright-core';

const quiet = [
  '--no-sandbox', // the tests may run as root, and open nothing but our own page
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts the browser at the path, with an empty profile. */
export function launch(executablePath) {
  return chromium.launch({ executablePath, args: quiet });
}
