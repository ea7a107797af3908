// The line: the state machine that makes one link after the other, and says when the next is due.

import { Backoff, type BackoffOptions } from './backoff.js';
import { Chooser, type Memory } from './chooser.js';
import type { Clock } from './clock.js';
import { RingdownError } from './errors.js';
import { Link, type HeartbeatOptions, type LinkOwner } from './link.js';
import type { Heard } from './protocol.js';
import { follow, type Change, type State } from './state.js';
import { Tokens, type GetToken } from './tokens.js';
import type { Ending, Transport, TransportName } from './transports/transport.js';

/** What a line needs of the world. In tests, all of it is simulated. */
export interface World {
  clock: Clock;
  /** Between 0 and 1, as Math.random. */
  random: () => number;
  /** The best first; at least one. */
  transports: readonly Transport[];
  memory?: Memory | undefined;
}

export interface LineOptions {
  base: string;
  query: string;
  token: string | GetToken | undefined;
  backoff: BackoffOptions;
  heartbeat: HeartbeatOptions;
}

/** Who has a line. */
export interface LineOwner {
  /** The commands with which a link begins, asked for at each attempt. */
  first(): string[];
  heard(message: Heard): void;
  opened(welcome: Heard): void;
  /** A link has ended, or an attempt. */
  lost(ending: Ending): void;
  changed(change: Change): void;
}

const refusals = ['unauthorized', 'token_expired']; // which another token may mend
const leastLife = 1_000; // ms between renewals, for programs whose tokens have ended when they come
const forGood = ['not_allowed', 'token_revoked', 'foreign_origin', 'disconnected']; // unless the server says otherwise

export class Line {
  state: State = 'connecting';
  #world: World;
  #options: LineOptions;
  #owner: LineOwner;
  #backoff: Backoff;
  #chooser: Chooser;
  #tokens: Tokens;
  #link: Link | undefined;
  #openedAt = 0;
  #notBefore = 0; // the server does not want to be called earlier
  #asleep = false; // the page is in the back-forward cache
  #attempt = 0; // counts, so that a token which comes too late is seen to be
  #cancelRetry = () => {};
  #cancelRenewal = () => {};
  #cancelProbe = () => {};
  #probe: Link | undefined; // of a better transport

  constructor(world: World, options: LineOptions, owner: LineOwner) {
    this.#world = world;
    this.#options = options;
    this.#owner = owner;
    this.#backoff = new Backoff(options.backoff, world.random);
    this.#chooser = new Chooser(world.transports, world.clock, world.memory, options.base);
    this.#tokens = new Tokens(options.token, world.clock);
    this.#cancelRetry = world.clock.after(0, () => this.#connect()); // when the program has said what it wants to hear
  }

  /** The transport that is used, or tried. */
  get transport(): TransportName {
    return this.#chooser.current.name;
  }

  send(commands: readonly string[]): void {
    if (this.state === 'open') this.#link?.send(commands);
  }

  close(cause: RingdownError): void {
    if (this.state === 'closed') return;
    this.#drop();
    this.#become('closed', { cause });
  }

  /** There is new reason to hope, or to doubt: the page is looked at again, the network has changed. */
  look(network: boolean): void {
    this.#backoff.reset();
    if (this.state === 'open') {
      this.#link?.check();
      if (network) this.#seekBetter(0);
    } else if (this.state === 'waiting' && !this.#asleep) {
      if (network) this.#chooser.forget();
      this.#retryIn(this.#notBefore - this.#world.clock.now());
    }
  }

  /** The page goes to sleep: browsers keep none that has a connection. */
  sleep(): void {
    if (this.state === 'closed' || this.#asleep) return;
    this.#asleep = true;
    const ending: Ending = { kind: 'lost', message: 'the page is asleep' };
    this.#drop();
    this.#owner.lost(ending);
    if (this.state !== 'waiting') this.#become('waiting', { cause: errorOf(ending) });
  }

  /** The page is awake again. */
  wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    this.look(true);
  }

  #connect(): void {
    const attempt = ++this.#attempt;
    if (!this.#tokens.wanted) return this.#dial();
    const current = () => this.#attempt === attempt && this.state === 'connecting';
    this.#tokens.renew().then(
      () => void (current() && this.#dial()),
      (error: unknown) => void (current() && this.#failed({ kind: 'lost', message: `no token: ${String(error)}` }, false)),
    );
  }

  #dial(): void {
    try {
      this.#link = this.#newLink(this.#chooser.current, this.#owner.first(), {
        opened: (welcome) => this.#opened(welcome),
        heard: (message) => this.#heard(message),
        ended: (ending) => this.#failed(ending),
      });
    } catch (error) {
      return this.#failed({ kind: 'unreachable', message: String(error) });
    }
  }

  #newLink(transport: Transport, first: readonly string[], owner: LinkOwner): Link {
    const { base, query, heartbeat } = this.#options;
    return new Link(this.#world.clock, transport, { base, query, token: this.#tokens.current }, first, heartbeat, owner);
  }

  #opened(welcome: Heard): void {
    this.#openedAt = this.#world.clock.now();
    this.#chooser.worked();
    this.#tokens.accepted();
    this.#renewInTime();
    this.#seekBetter();
    this.#become('open', { transport: this.transport }, () => this.#owner.opened(welcome));
  }

  // A new token is shown before the old one ends, so that the session goes on.
  #renewInTime(): void {
    this.#cancelRenewal();
    if (this.#tokens.dueIn === Infinity) return;
    this.#cancelRenewal = this.#world.clock.after(Math.max(leastLife, this.#tokens.dueIn), async () => {
      const link = this.#link;
      const token = await this.#tokens.renew().catch(() => undefined); // at the end of the old one there is another attempt
      if (token === undefined || link !== this.#link || this.state !== 'open') return;
      link?.send([JSON.stringify({ type: 'authenticate', token })]);
      this.#renewInTime();
    });
  }

  // While the line is open over a transport that is not the best, that one is tried beside it now and then.
  #seekBetter(ms = this.#chooser.againIn): void {
    this.#probe?.close();
    this.#cancelProbe();
    if (!this.#chooser.settles) return;
    this.#cancelProbe = this.#world.clock.after(ms, () => {
      const ended = () => {
        this.#chooser.later();
        this.#seekBetter();
      };
      this.#probe = this.#newLink(this.#chooser.best, [], { opened: () => this.#move(), heard: () => {}, ended });
    });
  }

  #move(): void {
    this.#chooser.forget();
    const ending: Ending = { kind: 'lost', message: 'a better transport passes what it should' };
    this.#drop();
    this.#owner.lost(ending);
    if (this.state !== 'open') return; // by whom it was told
    this.#become('waiting', { cause: errorOf(ending), wait: 0 });
    this.#retryIn(0);
  }

  #heard(message: Heard): void {
    if (message.type !== 'disconnect') return this.#owner.heard(message);
    const { code = '', message: sentence = '', reconnect = true, retry_after } = message;
    this.#failed({ kind: 'told', code, message: sentence, reconnect, ...(retry_after && { retryAfter: retry_after * 1000 }) });
  }

  // dialled: a transport has failed, and not the program's own function.
  #failed(ending: Ending, dialled = true): void {
    const wasOpen = this.state === 'open';
    this.#drop();
    if (wasOpen) {
      this.#backoff.opened(this.#world.clock.now() - this.#openedAt);
      if (ending.kind === 'silent') this.#chooser.doubt();
    }
    this.#owner.lost(ending);
    if (this.state === 'closed') return; // by whom it was told
    if (this.#isFinal(ending)) return this.#become('closed', { cause: errorOf(ending) });
    if (!wasOpen && dialled && this.#chooser.failed(ending)) return this.#connect();
    const wait = this.#backoff.next(ending.retryAfter);
    this.#notBefore = ending.retryAfter ? this.#world.clock.now() + wait : 0;
    this.#become('waiting', { cause: errorOf(ending), wait });
    this.#retryIn(wait);
  }

  #isFinal({ code, reconnect, close }: Ending): boolean {
    if (code !== undefined && refusals.includes(code)) return !this.#tokens.refused();
    return !(reconnect ?? !(close === 1008 || (code !== undefined && forGood.includes(code))));
  }

  #retryIn(ms: number): void {
    if (this.state !== 'waiting') return; // who was told of it has closed the line
    this.#cancelRetry();
    this.#cancelRetry = this.#world.clock.after(Math.max(0, ms), () => {
      this.#become('connecting', {});
      if (this.state === 'connecting') this.#connect();
    });
  }

  #drop(): void {
    this.#cancelRetry();
    this.#cancelRenewal();
    this.#cancelProbe();
    this.#attempt++;
    this.#probe?.close();
    this.#link?.close();
    this.#link = undefined;
  }

  // then is done before anybody is told.
  #become(to: State, more: Omit<Change, 'from' | 'to'>, then = () => {}): void {
    const from = this.state;
    this.state = follow(from, to);
    then();
    this.#owner.changed({ from, to, ...more });
  }
}

export const errorOf = (ending: Ending): RingdownError => new RingdownError(ending.code ?? ending.kind, ending.message);
