// Our pages in a real browser, each in a context of its own, as if on different machines. A command does to a page what
// a person could do, or waits for what a person could see.
//
// The argument of the script is the path of the browser.

import { launch } from '../node/chromium.js';
import { serve } from '../node/peer.js';

const patience = 20_000; // ms for anything that a page is waited for; longer than its longest pause between retries
const browser = await launch(process.argv[2]);
const pages = new Map(); // name → { page, problems, hosts }

/** Waits until the condition, a function of the argument run in the page, holds. Says what the page shows if it does not. */
async function until(name, what, condition, argument) {
  const { page } = pages.get(name);
  try {
    await page.waitForFunction(condition, argument, { timeout: patience });
  } catch (error) {
    const shown = await page.evaluate(() => ({
      state: document.querySelector('#state')?.textContent,
      people: document.querySelector('#people-line')?.textContent,
      messages: Array.from(document.querySelectorAll('#log li, .heard li'), (li) => li.innerText),
    }));
    throw new Error(`${name} waited for ${what}, and shows ${JSON.stringify(shown, null, 2)}\n${error.message}`);
  }
}

serve(
  {
    /** Opens a page. context is what Playwright calls the options of a new context. */
    async open({ name, url, context }) {
      const page = await (await browser.newContext(context ?? {})).newPage();
      const problems = [];
      const hosts = new Set();
      pages.set(name, { page, problems, hosts });
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) problems.push(message.text());
      });
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack}`));
      page.on('request', (request) => hosts.add(new URL(request.url()).host));
      page.on('websocket', (socket) => hosts.add(new URL(socket.url()).host));
      await page.goto(url);
      return page.title();
    },

    /** Waits until the line's state begins with one of the words, as the page shows it. */
    state({ name, words }) {
      return until(
        name,
        `#state to say ${words.join(' or ')}`,
        (words) => words.some((word) => document.querySelector('#state').textContent.startsWith(word)),
        words,
      );
    },

    /** Waits until the page shows a note that holds the text. */
    note({ name, text }) {
      return until(
        name,
        `a note with ${text}`,
        (text) => Array.from(document.querySelectorAll('#log li.note'), (li) => li.innerText).some((note) => note.includes(text)),
        text,
      );
    },

    /** Tells whether the page invites to speak. */
    invites({ name }) {
      return pages.get(name).page.isVisible('#nothing-yet');
    },

    /** Gives the user of a page a name. */
    async name({ name, text }) {
      const { page } = pages.get(name);
      await page.fill('#name', text);
      await page.press('#name', 'Enter');
    },

    /** Waits until the page says that these are here. */
    people({ name, line }) {
      return until(name, `#people-line to say ${line}`, (line) => document.querySelector('#people-line').textContent === line, line);
    },

    /** Waits until the page marks a gap after the message that holds a text, and before any other message. */
    gap({ name, after }) {
      return until(
        name,
        `a gap after ${after}`,
        (after) => Array.from(document.querySelectorAll('#log li.gap'), (li) => li.previousElementSibling?.innerText ?? '').some((text) => text.includes(after)),
        after,
      );
    },

    /** Tells how many gaps the page marks. */
    gaps({ name }) {
      return pages.get(name).page.locator('#log li.gap').count();
    },

    /** Tells which messages of the page are shown as those of its user. */
    own({ name }) {
      return pages.get(name).page.$$eval('#log li.own .body', (bodies) => bodies.map((body) => body.innerText));
    },

    async reload({ name }) {
      await pages.get(name).page.reload();
    },

    async close({ name }) {
      await pages.get(name).page.context().close();
    },

    /** Publishes by the form of the page of all clients. */
    async publish({ name, text, kind, named }) {
      const { page } = pages.get(name);
      await page.fill('#message', text);
      await page.selectOption('#kind', kind);
      await page.setChecked('#named', named);
      await page.click('#publish button');
    },

    /** Waits until a pane of that page shows exactly these messages in this order. */
    pane({ name, id, texts }) {
      return until(
        name,
        `${id} to hear ${JSON.stringify(texts)}`,
        ({ id, texts }) => JSON.stringify(Array.from(document.querySelectorAll(`#${id} li`), (li) => li.textContent)) === JSON.stringify(texts),
        { id, texts },
      );
    },

    /** Tells what a pane says is its code. */
    code({ name, id }) {
      return pages.get(name).page.textContent(`section:has(#${id}) code`);
    },

    /** Types a text and sends it, by the Enter key or by a click. */
    async say({ name, text, click }) {
      const { page } = pages.get(name);
      await page.fill('#text', text);
      if (click) await page.click('#send');
      else await page.press('#text', 'Enter');
    },

    /** Waits until the log has exactly these messages in this order. */
    log({ name, texts }) {
      return until(
        name,
        `these ${texts.length} messages, in order: ${JSON.stringify(texts)}`,
        (texts) => {
          const entries = Array.from(document.querySelectorAll('#log li.message'), (li) => li.innerText);
          return entries.length === texts.length && texts.every((text, i) => entries[i].includes(text));
        },
        texts,
      );
    },

    /** Tells what the page shows of its last message. */
    last({ name }) {
      return pages.get(name).page.$eval('#log li.message:last-of-type', (li) => ({
        id: li.dataset.id,
        text: li.innerText,
        elements: li.querySelectorAll('img, b, script').length,
      }));
    },

    /** Tells the errors and warnings of the page's console so far, and every host that it has asked for anything. */
    record({ name }) {
      const { problems, hosts } = pages.get(name);
      return { problems, hosts: [...hosts] };
    },

    /** Takes a picture, and tells how far to the right anything reaches: the page, or what is said on it. */
    async picture({ name, path }) {
      const { page } = pages.get(name);
      await page.screenshot({ path });
      return page.evaluate(() => ({
        width: Math.max(
          document.documentElement.scrollWidth,
          ...Array.from(document.querySelectorAll('#log, #log *, header, section > :not(pre)'), (e) => Math.round(e.getBoundingClientRect().left) + e.scrollWidth),
        ),
        background: getComputedStyle(document.body).backgroundColor,
        composer: (document.querySelector('#send')?.getBoundingClientRect().bottom ?? 0) <= innerHeight,
      }));
    },
  },
  () => browser.close(),
);
