// Tabs in Chromium, driven by name. The argument of the script is the path of the browser.

import { launch } from '../node/chromium.js';
import { serve } from '../node/peer.js';

const patience = 25_000; // ms for anything that a tab is waited for
const browser = await launch(process.argv[2]);
const tabs = new Map(); // name → { page, context, problems, hosts }

const at = (name) => {
  const tab = tabs.get(name);
  if (!tab) throw new Error(`there is no tab ${name}`);
  return tab;
};

serve(
  {
    /** Opens a page in a tab with a profile of its own, or in that of another tab. context is what Playwright calls the options of a new context. */
    async open({ name, url, context: options, beside }) {
      const context = beside ? at(beside).context : await browser.newContext(options ?? {});
      const page = await context.newPage();
      const problems = [];
      const hosts = new Set();
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack}`));
      page.on('request', (request) => hosts.add(new URL(request.url()).host));
      tabs.set(name, { page, context, problems, hosts });
      await page.goto(url);
      return page.title();
    },

    /** Waits until a function, given as its source, returns what counts as true, and returns that. The argument goes to the function. */
    async until({ name, check, arg }) {
      const { page } = at(name);
      const end = Date.now() + patience;
      for (;;) {
        const found = await page.evaluate(`(${check})(${JSON.stringify(arg ?? null)})`);
        if (found) return found;
        if (Date.now() > end) {
          throw new Error(`in the tab ${name} this did not come true: ${check} with ${JSON.stringify(arg)}; the page says: ${(await page.innerText('body')).slice(0, 2000)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    },

    /** Evaluates a function, given as its source. */
    evaluate: async ({ name, call, arg }) => (await at(name).page.evaluate(`(${call})(${JSON.stringify(arg ?? null)})`)) ?? null,

    fill: ({ name, selector, text }) => at(name).page.fill(selector, text, { timeout: patience }),
    type: ({ name, text }) => at(name).page.keyboard.type(text),
    down: ({ name, key }) => at(name).page.keyboard.down(key),
    up: ({ name, key }) => at(name).page.keyboard.up(key),
    press: ({ name, key }) => at(name).page.keyboard.press(key),
    click: ({ name, selector }) => at(name).page.click(selector, { timeout: patience }),
    focus: ({ name, selector }) => at(name).page.focus(selector, { timeout: patience }),
    mouse: ({ name, x, y }) => at(name).page.mouse.move(x, y),
    reload: ({ name }) => at(name).page.reload().then(() => null),
    back: ({ name }) => at(name).page.goBack().then(() => null),
    go: ({ name, url }) => at(name).page.goto(url).then(() => null),
    offline: ({ name, offline }) => at(name).context.setOffline(offline),

    /** Tells the page what a browser tells one that goes into the back-forward cache (pagehide), or comes out of it (pageshow). */
    cache: ({ name, event }) => at(name).page.evaluate((event) => void dispatchEvent(new PageTransitionEvent(event, { persisted: true })), event),

    /** How wide the page is and what its background is, and a picture of it. */
    async picture({ name, path }) {
      const { page } = at(name);
      await page.screenshot({ path, fullPage: true });
      return page.evaluate(() => ({ width: document.documentElement.scrollWidth, background: getComputedStyle(document.body).backgroundColor }));
    },

    record: ({ name }) => ({ problems: at(name).problems, hosts: [...at(name).hosts] }),

    async close({ name }) {
      await at(name).page.close();
      tabs.delete(name);
    },
  },
  () => browser.close(),
);
