// What both scripts need of a ws WebSocket: messages in the order in which they came, and how it ended.

import { within } from '../node/peer.js';

const patience = 30_000; // ms for anything that is waited for

/** One WebSocket, with its events as things to wait for. */
export class Line {
  #messages = []; // come and not taken
  #hearer = null; // who waits for the next one

  constructor(ws) {
    this.ws = ws;
    ws.on('message', (data, isBinary) => {
      this.#messages.push({ data, isBinary });
      this.#hearer?.();
    });
    ws.on('error', (error) => (this.error = error));
    this.ended = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString(), error: this.error?.message ?? '' });
        this.#hearer?.();
      });
    });
  }

  /** The end: { code, reason, error }, as ws has them. */
  end() {
    return within(patience, 'the close event', this.ended);
  }

  /** The next message: { data, isBinary }. */
  async next() {
    while (this.#messages.length === 0) {
      if (this.ws.readyState === this.ws.CLOSED) throw new Error(`closed instead of a message: ${JSON.stringify(await this.ended)}`);
      await within(patience, 'a message', new Promise((resolve) => (this.#hearer = resolve)));
    }
    return this.#messages.shift();
  }

  /** The answer to a ping with the data. */
  ping(data) {
    const answered = new Promise((resolve) => this.ws.once('pong', resolve));
    this.ws.ping(data);
    return within(patience, 'a pong', answered);
  }
}

/** Resolves once the WebSocket is open; rejects with what stood in its way. */
export function opened(ws) {
  const open = new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
    ws.once('unexpected-response', (_, response) => reject(Object.assign(new Error(`answered ${response.statusCode}`), { response })));
  });
  return within(patience, `opening ${ws.url}`, open);
}
