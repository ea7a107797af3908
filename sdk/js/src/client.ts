// The client, as programs use it: channels and calls over one line.

import type { BackoffOptions } from './backoff.js';
import { Channel, type ChannelHost, type ChannelOptions } from './channel.js';
import type { Memory } from './chooser.js';
import { Emitter, type Off } from './emitter.js';
import { RingdownError } from './errors.js';
import { Line, type World } from './line.js';
import type { HeartbeatOptions } from './link.js';
import { Outbox, type QueueOptions } from './outbox.js';
import { watchPage } from './page.js';
import { decode, encode } from './payload.js';
import type { Command, Heard } from './protocol.js';
import type { Change, State } from './state.js';
import type { GetToken } from './tokens.js';
import type { Fetch } from './transports/http.js';
import type { TransportName } from './transports/transport.js';
import type { SocketClass } from './transports/websocket.js';
import { realWorld } from './world.js';

/** The choices of a client. All of them may be left out. */
export interface ClientOptions {
  /**
   * A JSON Web Token, or a function that gets one: called when it is first needed, with true when the one before is about to end or was
   * refused.
   */
  token?: string | GetToken;
  backoff?: BackoffOptions;
  heartbeat?: HeartbeatOptions;
  queue?: QueueOptions;
  /** Which transports may be used, the best first. All, unless told otherwise: `['websocket', 'sse', 'poll']`. */
  transports?: readonly TransportName[];
  /** Remembers which transport worked. localStorage where there is one; false remembers nothing beyond this client. */
  memory?: Memory | false;
  /** The WebSocket to use. That of the browser or of Node 22; for older ones, that of the package ws. */
  WebSocket?: SocketClass;
  /** The fetch to use, for the other transports. */
  fetch?: Fetch;
  /** For tests: a clock, a random number generator and transports, in place of the real ones. */
  world?: World;
}

/** What a client tells, and with what. */
export interface ClientEvents {
  state: Change;
  /** The server has subscribed the client to a channel. */
  forced: Channel;
  /** The server refuses something for which nobody waits, such as a renewed token. */
  error: RingdownError;
}

const settlePause = 1_000; // ms, and up to twice that, until a channel that was refused for the moment is asked for again

/**
 * A line to a server that comes back by itself and goes on where it was. It connects at once.
 *
 * ```ts
 * const client = new Client('https://rt.example.com');
 * const chat = client.channel<string>('chat');
 * chat.on('message', ({ data, user }) => console.log(user, data));
 * await chat.publish('hello');
 * ```
 */
export class Client {
  #events = new Emitter<ClientEvents>();
  #channels = new Map<string, Channel>();
  #line: Line;
  #outbox: Outbox;
  #lastId = 0;
  #name: string; // of this client, for idempotency keys
  #lastKey = 0;
  #session = '';
  #user: string | undefined;
  #cause: RingdownError | undefined; // of the last failure
  #leavePage: () => void;
  #host: ChannelHost;

  /**
   * url is the server's address, with http, https, ws or wss; in a page it may be relative. A path of /connect at its end may stand there or
   * not; parameters go with every request.
   */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const { base, query } = addressOf(url);
    const world = options.world ?? realWorld(options);
    this.#name = Array.from({ length: 4 }, () => Math.floor(world.random() * 2 ** 32).toString(36)).join('');
    this.#outbox = new Outbox(world.clock, options.queue ?? {}, (commands) => this.#line.send(commands));
    this.#host = {
      ask: (command, signal) => this.#ask(command, signal),
      settle: (channel) => this.#settle([channel]),
      settleLater: (channel) => void world.clock.after(settlePause * (1 + world.random()), () => this.#settle([channel])),
      newKey: () => `${this.#name}-${++this.#lastKey}`,
    };
    const { token, backoff = {}, heartbeat = {} } = options;
    this.#line = new Line(world, { base, query, token, backoff, heartbeat }, {
      first: () => this.#wishes([...this.#channels.values()]),
      heard: (message) => this.#heard(message),
      opened: (welcome) => this.#opened(welcome),
      lost: (ending) => {
        this.#session = '';
        this.#outbox.lost(ending);
        for (const channel of this.#channels.values()) channel.lost();
      },
      changed: (change) => this.#changed(change),
    });
    this.#leavePage = watchPage(this.#line);
  }

  get state(): State {
    return this.#line.state;
  }

  /** Why the client is closed, or was last without a connection. */
  get cause(): RingdownError | undefined {
    return this.#cause;
  }

  /** The transport that is used, or tried. */
  get transport(): TransportName {
    return this.#line.transport;
  }

  /** The name of the session, as others see it in presence; another one after each reconnection, '' without a WebSocket. */
  get session(): string {
    return this.#session;
  }

  /** Who the server takes the client for, if it said so. */
  get user(): string | undefined {
    return this.#user;
  }

  /** How many commands wait for an answer. */
  get waiting(): number {
    return this.#outbox.size;
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (detail: ClientEvents[Name]) => void): Off {
    return this.#events.on(name, listener);
  }

  /** Waits until the client is open. The promise is broken when it is closed. */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.state === 'closed') reject(this.#cause);
        else if (this.state === 'open') resolve();
        else return false;
        return true;
      };
      if (look()) return;
      const off = this.on('state', () => void (look() && off()));
    });
  }

  /** The channel of that name: the same one each time, with the options of the first. T is what its publications are. */
  channel<T = unknown>(name: string, options: ChannelOptions = {}): Channel<T> {
    const channel = this.#channels.get(name) ?? new Channel(name, options, this.#host);
    this.#channels.set(name, channel);
    return channel as unknown as Channel<T>;
  }

  /**
   * Asks the server's handler for a method. A call whose connection breaks is not asked again: the error is then `lost`, and nobody knows
   * whether it was handled. It takes a WebSocket.
   */
  async call<Result = unknown>(method: string, data: unknown = null, options: { channel?: string; signal?: AbortSignal } = {}): Promise<Result> {
    const { channel, signal } = options;
    return decode(await this.#ask({ type: 'call', method, channel, ...encode(data) }, signal)) as Result;
  }

  /** Looks at once whether the line lives, and tries at once to connect where it does not; pages do so when they are looked at again. */
  wake(): void {
    this.#line.look(false);
  }

  /** Ends the connection, for good. What waits for an answer is broken off. */
  close(): void {
    this.#line.close(new RingdownError('closed', 'the client was closed'));
  }

  async #ask(command: Command, signal?: AbortSignal): Promise<Heard> {
    if (this.state === 'closed') throw this.#cause;
    return this.#outbox.ask(++this.#lastId, command, signal);
  }

  #opened({ session = '', user }: Heard): void {
    this.#session = session;
    this.#user = user;
    this.#settle([...this.#channels.values()]);
    this.#outbox.opened();
  }

  #wishes(channels: readonly Channel[]): string[] {
    const commands = channels.map((channel) => channel.wish(() => ++this.#lastId));
    return commands.filter((command) => command !== undefined).map((command) => JSON.stringify(command));
  }

  #settle(channels: readonly Channel[]): void {
    if (this.state === 'open') this.#line.send(this.#wishes(channels));
  }

  #heard(message: Heard): void {
    if (message.id !== undefined && this.#outbox.answered(message)) return;
    if (message.type === 'subscribed' && message.forced) return this.#forced(message);
    if (message.type === 'error') return this.#refused(message);
    if (message.channel !== undefined) this.#channels.get(message.channel)?.heard(message);
  }

  // By its id an error is a subscription's; without one it is about something that nobody waits for.
  #refused(error: Heard): void {
    if (error.id !== undefined) for (const channel of this.#channels.values()) channel.heard(error);
    else this.#events.emit('error', new RingdownError(error.code ?? '', error.message ?? ''));
  }

  #forced(message: Heard): void {
    const channel = this.channel(message.channel!);
    this.#events.emit('forced', channel);
    channel.heard(message);
  }

  #changed(change: Change): void {
    if (change.cause) this.#cause = change.cause;
    if (change.to === 'closed') {
      this.#leavePage();
      this.#outbox.close(this.#cause!);
      for (const channel of this.#channels.values()) channel.close(this.#cause!);
    }
    this.#events.emit('state', change);
  }
}

function addressOf(url: string | URL): { base: string; query: string } {
  const { href, search } = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
  const base = href.split(/[?#]/)[0]!.replace(/^ws/, 'http').replace(/(\/connect)?\/*$/, '');
  if (!/^https?:/.test(base)) throw new TypeError(`the address ${href} is not one of a server; begin it with https://`);
  return { base, query: search.slice(1) };
}
