// Tabs in Chromium, driven by name. The argument of the script is the path of the browser.

import { launch } from '../node/chromium.js';
import { serve } from '../node/peer.js';

const patience = 60_000; // ms for anything that a tab is waited for
const pause = 50; // ms between two looks at what is waited for
const browser = await launch(process.argv[2]);
const tabs = new Map(); // name → { page, context, problems, hosts }

let leaving = false;
browser.on('disconnected', () => {
  if (leaving) return;
  console.error('browser.js: Chromium has crashed, or was ended by somebody else');
  process.exit(1);
});

const at = (name) => {
  const tab = tabs.get(name);
  if (!tab) throw new Error(`there is no tab ${name}`);
  return tab;
};

/**
 * Waits in the page until a function, given as its source, returns what counts as true, and returns that; or undefined when it has waited
 * for so many ms. The page itself looks again and again: to ask it from here each time is a hundred times dearer.
 */
const watch = (check, arg, ms) => `(async () => {
  const check = ${check};
  for (const end = performance.now() + ${ms}; performance.now() < end; await new Promise((resolve) => setTimeout(resolve, ${pause}))) {
    const found = check(${JSON.stringify(arg ?? null)});
    if (found) return found;
  }
})()`;

serve(
  {
    /**
     * Opens a page in a tab with a profile of its own. context is what Playwright calls the options of a new context. The user likes no motion:
     * sixty pictures a second, drawn without a graphics card, are most of what some pages cost.
     */
    async open({ name, url, context: options }) {
      const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
      context.setDefaultTimeout(patience);
      const page = await context.newPage();
      const problems = [];
      const hosts = new Set();
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack}`));
      page.on('crash', () => problems.push('the page has crashed'));
      page.on('request', (request) => hosts.add(new URL(request.url()).host));
      page.on('websocket', (socket) => hosts.add(new URL(socket.url()).host));
      tabs.set(name, { page, context, problems, hosts });
      await page.goto(url);
      return page.title();
    },

    /** Waits until a function, given as its source, returns what counts as true. The argument goes to the function. */
    async until({ name, check, arg }) {
      const { page } = at(name);
      for (const end = Date.now() + patience; Date.now() < end; ) {
        try {
          if (await page.evaluate(watch(check, arg, end - Date.now()))) return;
        } catch (error) {
          if (!/context was destroyed|navigation/.test(error.message)) throw error; // the tab is on its way to another page
        }
      }
      const shown = await page.innerText('body');
      throw new Error(`in the tab ${name} this did not come true: ${check} with ${JSON.stringify(arg)}; the page says: ${shown.slice(0, 2000)}`);
    },

    /** Evaluates a function, given as its source. */
    evaluate: ({ name, call, arg }) => at(name).page.evaluate(`(${call})(${JSON.stringify(arg ?? null)})`),

    fill: ({ name, selector, text }) => at(name).page.fill(selector, text),
    select: ({ name, selector, option }) => at(name).page.selectOption(selector, option).then(() => null),
    check: ({ name, selector, checked }) => at(name).page.setChecked(selector, checked),
    type: ({ name, text }) => at(name).page.keyboard.type(text),
    down: ({ name, key }) => at(name).page.keyboard.down(key),
    up: ({ name, key }) => at(name).page.keyboard.up(key),
    press: ({ name, key }) => at(name).page.keyboard.press(key),
    click: ({ name, selector }) => at(name).page.click(selector),
    focus: ({ name, selector }) => at(name).page.focus(selector),
    mouse: ({ name, x, y }) => at(name).page.mouse.move(x, y),
    reload: ({ name }) => at(name).page.reload().then(() => null),
    back: ({ name }) => at(name).page.goBack().then(() => null),
    go: ({ name, url }) => at(name).page.goto(url).then(() => null),
    offline: ({ name, offline }) => at(name).context.setOffline(offline),

    /** Lets it be day (light) or night (dark) where the tab is. */
    scheme: ({ name, scheme }) => at(name).page.emulateMedia({ colorScheme: scheme }),

    /** Tells the page what a browser tells one that goes into the back-forward cache (pagehide), or comes out of it (pageshow). */
    cache: ({ name, event }) => at(name).page.evaluate((event) => void dispatchEvent(new PageTransitionEvent(event, { persisted: true })), event),

    /** Tells the errors and warnings of the page's console so far, and every host that it has asked for anything. */
    record: ({ name }) => ({ problems: at(name).problems, hosts: [...at(name).hosts] }),

    async close({ name }) {
      const tab = tabs.get(name); // none if it could not even be opened
      tabs.delete(name);
      await tab?.context.close();
    },
  },
  () => {
    leaving = true;
    return browser.close();
  },
);
