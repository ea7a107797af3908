// A page in Chromium with a client of @ringdown/client. The argument of the script is the path of the browser.

import { launch } from '../node/chromium.js';
import { serve } from '../node/peer.js';

const patience = 60_000; // ms for anything that a page is waited for
const browser = await launch(process.argv[2]);
const pages = new Map(); // name → { page, context, problems }

serve(
  {
    /** Opens a page with a client that listens to a channel, and tells over which transport it is open. */
    async open({ name, url, channel, transports }) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const problems = [];
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack}`));
      pages.set(name, { page, context, problems });
      await page.goto(url);
      return page.evaluate(
        async ({ channel, transports }) => {
          const { Client } = await import('/sdk/index.js');
          const client = new Client('/', transports ? { transports } : {});
          Object.assign(globalThis, { client, told: [], states: [] });
          client.on('state', ({ to }) => globalThis.states.push(to));
          const it = client.channel(channel);
          it.on('message', ({ data }) => globalThis.told.push(data instanceof Uint8Array ? `bytes ${data}` : data));
          it.on('gap', ({ from, to }) => globalThis.told.push(`gap ${from}-${to}`));
          await it.subscribe();
          await client.opened();
          return client.transport;
        },
        { channel, transports },
      );
    },

    /** Publishes each of the data, and waits for the receipts. */
    publish({ name, channel, data }) {
      return pages.get(name).page.evaluate(
        ({ channel, data }) => Promise.all(data.map((each) => globalThis.client.channel(channel).publish(each))).then((all) => all.map(({ offset }) => offset)),
        { channel, data },
      );
    },

    publishBytes({ name, channel, bytes }) {
      return pages.get(name).page.evaluate(
        ({ channel, bytes }) => globalThis.client.channel(channel).publish(Uint8Array.from(bytes)),
        { channel, bytes },
      );
    },

    async told({ name, last }) {
      const { page } = pages.get(name);
      await page.waitForFunction((last) => globalThis.told.at(-1) === last, last, { timeout: patience }).catch(async (error) => {
        throw new Error(`${error.message}; was told ${JSON.stringify(await page.evaluate(() => [globalThis.told, globalThis.states]))}`);
      });
      return page.evaluate(() => globalThis.told);
    },

    async been({ name, state }) {
      await pages.get(name).page.waitForFunction((state) => globalThis.states.includes(state), state, { timeout: patience });
    },

    offline({ name, offline }) {
      return pages.get(name).context.setOffline(offline);
    },

    /** Tells the page what a browser tells one that goes into the back-forward cache, or comes out of it. */
    cache({ name, event }) {
      return pages.get(name).page.evaluate((event) => {
        globalThis.dispatchEvent(new PageTransitionEvent(event, { persisted: true }));
        return globalThis.client.state;
      }, event);
    },

    problems: ({ name }) => pages.get(name).problems,
  },
  () => browser.close(),
);
