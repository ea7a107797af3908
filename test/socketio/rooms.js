// The page of the example "rooms" in tabs of one browser. A command does to a tab what a person could do, or waits for what a person
// could see. The argument of the script is the path of the browser.

import { launch } from '../node/chromium.js';
import { serve } from '../node/peer.js';

const patience = 60_000; // ms for anything that a page is waited for
const browser = await launch(process.argv[2]);
const context = await browser.newContext();
const tabs = new Map(); // name → { page, problems }

serve(
  {
    /** Opens a tab and joins a room there. */
    async join({ name, url, room }) {
      const page = await context.newPage();
      const problems = [];
      tabs.set(name, { page, problems });
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack}`));
      await page.goto(url);
      await page.fill('#name', name);
      await page.fill('#room', room);
      await page.click('#join button');
    },

    async say({ name, text }) {
      const { page } = tabs.get(name);
      await page.fill('#text', text);
      await page.press('#text', 'Enter');
    },

    /** Waits until the tab shows exactly these lines. */
    async log({ name, lines }) {
      const { page, problems } = tabs.get(name);
      const shown = () => page.$$eval('#log li', (all) => all.map((li) => li.innerText));
      try {
        await page.waitForFunction(
          (lines) => JSON.stringify(Array.from(document.querySelectorAll('#log li'), (li) => li.innerText)) === JSON.stringify(lines),
          lines,
          { timeout: patience },
        );
      } catch {
        throw new Error(`${name} shows ${JSON.stringify(await shown())} instead of ${JSON.stringify(lines)}; ${problems.join('\n')}`);
      }
      return problems;
    },

    /** Waits until the tab's client is connected, and so has said that it joins. */
    async connected({ name }) {
      await tabs.get(name).page.waitForFunction(() => socket.connected, null, { timeout: patience });
    },

    async close({ name }) {
      await tabs.get(name).page.close();
    },
  },
  () => browser.close(),
);
