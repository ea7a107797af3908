// A line that stays open: a WebSocket, and a new one whenever it is lost.
//
// A line is in one of four states, and says so by a "state" event at every change:
//
//   closed      not wanted; so it begins, and so it ends
//   connecting  a handshake is under way
//   open        messages pass
//   waiting     lost; the next attempt is due at retryAt
//
// It also emits "message" (detail: the data received) and "lost" (detail: { code, reason } as the server gave them, or
// 1006 when the connection broke without a word).

const firstDelay = 500; // ms; the most that the first retry waits
const longestDelay = 5_000; // ms
const handshakeTimeout = 10_000; // ms
const steadyAfter = 5_000; // ms open until a line counts as good, so that one that is cut at once is not retried at once

/** The wait before a retry: anything up to a bound that doubles ("full jitter"), so that clients do not come back in step. */
export function backoff(attempt, random = Math.random) {
  return random() * Math.min(longestDelay, firstDelay * 2 ** Math.min(attempt, 10));
}

export class Line extends EventTarget {
  state = 'closed';
  retryAt = 0; // while waiting: when the next attempt is due, in ms as Date.now has it

  #url;
  #socket = null; // the one socket that counts; events of any other are ignored
  #attempt = 0; // failures since the line was last good
  #leastDelay = 0; // ms that the server asked for, before the next retry
  #timer = 0; // the one timer: handshake, steadiness or retry, whichever the state calls for

  constructor(url) {
    super();
    this.#url = url;
  }

  /** Opens the line, and keeps it open until close. */
  open() {
    if (this.state === 'closed') this.#connect();
  }

  /** Closes the line for good, until open is called again. */
  close() {
    this.#abandon();
    this.#attempt = 0;
    this.#become('closed');
  }

  /** Sends text, and tells whether it could: only an open line takes it. */
  send(text) {
    if (this.state !== 'open') return false;
    this.#socket.send(text);
    return true;
  }

  /** There is new reason to hope (the network is back, somebody looks): forget past failures, and do not wait. */
  retryNow() {
    this.#attempt = 0;
    if (this.state === 'waiting') this.#connect();
  }

  /** Uses another URL. A line that is wanted is opened anew there. */
  moveTo(url) {
    if (url === this.#url) return;
    this.#url = url;
    if (this.state !== 'closed') this.#connect();
  }

  /** The server is about to close the line, and asks not to be called again for that long. */
  callBackAfter(ms) {
    this.#leastDelay = Math.min(ms, longestDelay);
  }

  /** Gives up a connection that looks open but is not. */
  giveUp(reason) {
    if (this.state === 'open' || this.state === 'connecting') this.#lose(1006, reason);
  }

  #connect() {
    this.#abandon();
    this.#become('connecting');
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    const ifCurrent = (handle) => (event) => {
      if (socket === this.#socket) handle(event);
    };
    socket.onopen = ifCurrent(() => this.#opened());
    socket.onmessage = ifCurrent((event) => this.#emit('message', event.data));
    socket.onclose = ifCurrent((event) => this.#lose(event.code, event.reason));
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lose(1006, 'the server did not answer'), handshakeTimeout);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#attempt = 0), steadyAfter);
    this.#become('open');
  }

  #lose(code, reason) {
    this.#abandon();
    const delay = Math.max(backoff(this.#attempt++), this.#leastDelay);
    this.#leastDelay = 0;
    this.retryAt = Date.now() + delay;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#emit('lost', { code, reason });
    this.#become('waiting');
  }

  #abandon() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #become(state) {
    this.state = state;
    this.#emit('state', state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
