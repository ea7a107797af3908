// Chromium without a window and without errands of its own, for scripts outside this folder.

import { chromium } from 'playwright-core';

// What no test looks at. Since Chromium 151 each new window loads pages of the address bar, even without a window to be seen: three times what
// a small page of ours costs. The others are those that Playwright turns off and that matter here; Chromium heeds only one such list.
const without = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'AimEnabled',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'Translate',
];

const quiet = [
  '--no-sandbox', // the tests may run as root, and open nothing but our own page
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--disable-features=${without}`,
];

/** Starts the browser at the path, with an empty profile. */
export function launch(executablePath) {
  return chromium.launch({ executablePath, args: quiet, timeout: 80_000 });
}
