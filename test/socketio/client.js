// socket.io-client as the client of our server. A command does to a client, known by its name, what a program would do, or waits for
// what a program would see: its events, in order, as arrays.
//
// Bytes are {"base64": "…"} in commands and their results; {"size": n, "bytes": true or false} stands for n bytes, or for a string of them.

import { serve, within } from '../node/peer.js';
import { io } from '../node/io.js';

const patience = 60_000; // ms for anything that is waited for
const clients = new Map(); // name → Client

class Client {
  #seen = []; // and not taken
  #waiting = null; // who waits for the next

  constructor({ url, options = {}, recovery = false }) {
    this.socket = io(url, { forceNew: true, reconnectionDelay: 5, reconnectionDelayMax: 50, ...options });
    const { socket } = this;
    socket.on('connect', () => this.see('connect', socket.recovered === true));
    socket.on('connect_error', (error) => this.see('connect_error', error.message, error.data ?? null, socket.active));
    socket.on('disconnect', (reason, details) => this.see('disconnect', reason, details?.context?.code ?? details?.description?.code ?? 0));
    socket.onAny((event, ...args) => {
      if (typeof args.at(-1) === 'function') args.pop();
      else if (recovery) args.pop(); // the offset
      this.see(event, ...args.map(show));
    });
  }

  see(...event) {
    this.#seen.push(event);
    this.#waiting?.();
  }

  async next() {
    while (this.#seen.length === 0) {
      await within(patience, 'an event', new Promise((resolve) => (this.#waiting = resolve)));
    }
    return this.#seen.shift();
  }
}

/** A value as it can be printed. */
function show(value) {
  if (Buffer.isBuffer(value)) return value.length > 1000 ? { size: value.length, bytes: true } : { base64: value.toString('base64') };
  if (typeof value === 'string' && value.length > 1000) return { size: value.length, bytes: false };
  if (Array.isArray(value)) return value.map(show);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, show(member)]));
  return value;
}

/** The value that a printed one stands for. */
function read(value) {
  if (Array.isArray(value)) return value.map(read);
  if (!value || typeof value !== 'object') return value;
  if ('base64' in value) return Buffer.from(value.base64, 'base64');
  if ('size' in value) return value.bytes ? Buffer.alloc(value.size, 'b') : 's'.repeat(value.size);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, read(member)]));
}

const of = (name) => clients.get(name).socket;

serve(
  {
    /** Begins to connect. options are what io takes. */
    open(args) {
      clients.set(args.name, new Client(args));
    },

    /** Takes the next event. */
    next({ name }) {
      return clients.get(name).next();
    },

    emit({ name, event, args = [] }) {
      of(name).emit(event, ...read(args));
    },

    /** Emits and waits for the answer: its arguments, or the error's message. */
    ask({ name, event, args = [], timeout = patience }) {
      return new Promise((resolve) => {
        of(name)
          .timeout(timeout)
          .emit(event, ...read(args), (error, ...answer) => resolve(error ? { error: error.message } : { args: show(answer) }));
      });
    },

    /** Answers an event with its arguments from now on; never, if silent. */
    answer({ name, event, silent }) {
      of(name).on(event, (...args) => {
        const done = args.pop();
        if (!silent) done(...args);
      });
    },

    /** Waits until the client uses this transport. */
    async transport({ name, transport }) {
      const { engine } = of(name).io;
      while (engine.transport.name !== transport) {
        await within(patience, transport, new Promise((resolve) => engine.once('upgrade', resolve)));
      }
    },

    state({ name }) {
      const { id, connected, recovered, active } = of(name);
      return { id: id ?? '', connected, recovered: recovered === true, active };
    },

    /** Leaves the namespace. */
    leave({ name }) {
      of(name).disconnect();
    },

    /** Enters it again. */
    enter({ name }) {
      of(name).connect();
    },

    /** Drops the connection under the client, which then comes back by itself. */
    drop({ name }) {
      of(name).io.engine.close();
    },

    /** Has a crowd of clients connect at once, enter a room, ask something each, and hear what all of them say. */
    async crowd({ url, options, size }) {
      const crowd = Array.from({ length: size }, () => io(url, { forceNew: true, ...options }));
      const heard = crowd.map((socket) => {
        const all = new Set();
        return new Promise((resolve) => socket.on('said', (i) => all.add(i).size === size && resolve(all.size)));
      });
      const entered = await Promise.all(crowd.map((socket) => socket.timeout(patience).emitWithAck('join', 'crowd')));
      const answers = await Promise.all(crowd.map((socket, i) => socket.timeout(patience).emitWithAck('echo', Buffer.from([i]))));
      answers.forEach((answer, i) => {
        if (answer[0] !== i) throw new Error(`${i} was answered ${JSON.stringify(answer)}`);
      });
      crowd.forEach((socket, i) => socket.emit('say', 'crowd', i));
      const all = await within(patience, 'what all say', Promise.all(heard));
      crowd.forEach((socket) => socket.disconnect());
      return { entered: entered.filter((e) => e === 'ok').length, heard: all.filter((n) => n === size).length };
    },
  },
  () => clients.forEach(({ socket }) => socket.disconnect()),
);
