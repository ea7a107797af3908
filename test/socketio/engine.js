// engine.io-client as the client of our server. Each command opens connections, does one thing on them, and tells what it saw.
//
// All take what a Socket is constructed with: { url, options }.

import { serve, within } from '../node/peer.js';
import { Socket } from '../node/engine.js';

const patience = 60_000; // ms for anything that is waited for

/** One connection, with its events as things to wait for. */
class Line {
  messages = []; // come and not taken
  #hearer = null; // who waits for the next one
  pings = 0;

  constructor({ url, options = {} }) {
    this.socket = new Socket(url, options);
    this.socket.binaryType = 'nodebuffer';
    this.socket.on('message', (data) => {
      this.messages.push(data);
      this.#hearer?.();
    });
    this.socket.on('ping', () => {
      this.pings++;
      this.#hearer?.();
    });
    this.upgraded = new Promise((resolve) => this.socket.once('upgrade', (transport) => resolve(transport.name)));
    this.ended = new Promise((resolve) => {
      this.socket.once('close', (reason, details) => {
        resolve({ reason, description: details?.description?.message ?? String(details?.description ?? '') });
        this.#hearer?.();
      });
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve(this.socket.transport.name));
      this.socket.once('error', (error) => reject(error));
    });
  }

  open() {
    return within(patience, 'the open event', this.opened);
  }

  end() {
    return within(patience, 'the close event', this.ended);
  }

  /** Waits until done() is true. */
  async until(what, done) {
    while (!done()) {
      if (this.socket.readyState === 'closed') throw new Error(`closed instead of ${what}: ${JSON.stringify(await this.ended)}`);
      await within(patience, what, new Promise((resolve) => (this.#hearer = resolve)));
    }
  }

  async close() {
    this.socket.close();
    await this.end();
  }
}

/** The i-th of the messages: every other one is binary. */
function message(i, size) {
  const head = `message ${i} ✓ `;
  const text = head + 'x'.repeat(Math.max(0, size - head.length));
  return i % 2 ? Buffer.from(text) : text;
}

function same(a, b) {
  return Buffer.isBuffer(a) === Buffer.isBuffer(b) && (Buffer.isBuffer(a) ? a.equals(b) : a === b);
}

async function converse(args) {
  const { count, size = 0, upgrades = false } = args;
  const line = new Line(args);
  const first = await line.open();
  const half = Math.floor(count / 2);
  for (let i = 0; i < half; i++) line.socket.send(message(i, size)); // while it upgrades
  if (upgrades) await within(patience, 'the upgrade', line.upgraded);
  for (let i = half; i < count; i++) line.socket.send(message(i, size));
  await line.until('the echoes', () => line.messages.length >= count);
  line.messages.forEach((data, i) => {
    if (!same(data, message(i, size))) throw new Error(`back came ${data.length} other bytes as number ${i}: ${String(data).slice(0, 60)}`);
  });
  const last = line.socket.transport.name;
  await line.close();
  return { first, last, messages: line.messages.length };
}

serve({
  /** Sends count messages and compares what comes back, on as many connections at once as crowd says. */
  async echo(args) {
    return Promise.all(Array.from({ length: args.crowd ?? 1 }, () => converse(args)));
  },

  /** Stays for some pings. */
  async stay(args) {
    const line = new Line(args);
    await line.open();
    await line.until('the pings', () => line.pings >= args.pings);
    const state = line.socket.readyState;
    await line.close();
    return state;
  },

  /** Says something that has the server close, and tells what came before it and how it ended. */
  async leave(args) {
    const line = new Line(args);
    await line.open();
    if (args.upgrades) await within(patience, 'the upgrade', line.upgraded);
    line.socket.send(args.say);
    const end = await line.end();
    return { messages: line.messages.map(String), ...end };
  },

  /** Tells why it was not let in. */
  async refused(args) {
    const line = new Line(args);
    try {
      return { opened: await line.open() };
    } catch (error) {
      return { error: error.message, status: typeof error.description === 'number' ? error.description : 0 };
    }
  },
});
