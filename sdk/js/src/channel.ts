// A channel, as programs use it.

import { Emitter, type Off } from './emitter.js';
import { RingdownError } from './errors.js';
import { Feed } from './feed.js';
import { messageOf, type ChannelEvent, type Gap, type History, type Message, type Present, type PresenceChange, type Receipt } from './message.js';
import { encode } from './payload.js';
import type { Command, Heard } from './protocol.js';
import { Subscription } from './subscription.js';

/** How to listen to a channel. */
export interface ChannelOptions {
  /** Where to go on: of a message of an earlier run, or from elsewhere. Without it, the channel begins now. */
  cursor?: string;
  /** Be told who comes and goes, where the channel has presence. */
  presence?: boolean;
}

/** What a channel tells, and with what. */
export interface ChannelEvents<T> {
  message: Message<T>;
  /** Publications are missing, exactly here. */
  gap: Gap;
  presence: PresenceChange;
  /** The server has agreed: at first, and again after each reconnection, then with whether nothing was missed. */
  subscribed: { readonly recovered: boolean | undefined };
  /** The channel tells no more: it was left, refused, or taken away by the server. */
  unsubscribed: RingdownError;
}

/** How to publish. */
export interface PublishOptions {
  /** The name of what happened. */
  event?: string;
  /** What the data is the newest value of, for channels that conflate. */
  key?: string;
  /** Names the publication, so that it is published once however often it is sent, by whatever program. One is made up otherwise. */
  idempotencyKey?: string;
  /** Ends the waiting. What was sent may still be published. */
  signal?: AbortSignal;
}

/** What a channel needs of its client. */
export interface ChannelHost {
  ask(command: Command, signal?: AbortSignal): Promise<Heard>;
  /** Has what the channel wants now sent, if there is a connection. */
  settle(channel: Channel): void;
  /** Calls settle later. */
  settleLater(channel: Channel): void;
  newKey(): string;
}

const feedLimit = 1_000; // events that wait for a loop

/**
 * A channel of a client, from {@link Client.channel}. T is what its publications are: the program's word, which nobody checks.
 *
 * It is subscribed to when somebody listens, and stays so over reconnections until {@link Channel.unsubscribe}.
 */
export class Channel<T = unknown> {
  readonly name: string;
  #host: ChannelHost;
  #events = new Emitter<ChannelEvents<T>>();
  #feeds = new Set<Feed<T>>();
  #subscription: Subscription;
  #wanted = false;
  #begun: { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } | undefined;

  /** @internal */
  constructor(name: string, options: ChannelOptions, host: ChannelHost) {
    this.name = name;
    this.#host = host;
    this.#subscription = new Subscription(name, options.cursor ?? '', options.presence ?? false, {
      begun: (recovered) => this.#hasBegun(recovered),
      event: (event) => this.#tell(event as ChannelEvent<T>),
      presence: (change) => this.#events.emit('presence', change),
      refused: () => this.#host.settleLater(this as Channel),
      over: (error) => this.#end(error),
    });
  }

  /** Where to go on after the last event that was told: for a later run of the program. '' before the first. */
  get cursor(): string {
    return this.#subscription.cursor;
  }

  /** Whether the server has agreed to the subscription, on the present connection. */
  get subscribed(): boolean {
    return this.#subscription.on;
  }

  /** Listens to what the channel tells, and subscribes to it. */
  on<Name extends keyof ChannelEvents<T>>(name: Name, listener: (detail: ChannelEvents<T>[Name]) => void): Off {
    const off = this.#events.on(name, listener);
    if (name !== 'unsubscribed') this.subscribe().catch(() => {}); // a refusal is told as unsubscribed
    return off;
  }

  /**
   * Subscribes. The promise is kept when the server has agreed for the first time, and broken with its refusal. Without a
   * connection it waits.
   */
  subscribe(): Promise<void> {
    this.#wanted = true;
    if (!this.#begun) {
      let resolve!: () => void, reject!: (error: Error) => void;
      const promise = new Promise<void>((kept, broken) => ([resolve, reject] = [kept, broken]));
      promise.catch(() => {}); // whoever wants to know has it
      this.#begun = { promise, resolve, reject };
      this.#host.settle(this as Channel);
    }
    return this.#begun.promise;
  }

  /** Leaves the channel, and ends loops over it. It may be subscribed to again, and then goes on where it was. */
  unsubscribe(): void {
    if (!this.#wanted) return;
    this.#end();
    this.#host.settle(this as Channel);
  }

  /**
   * Publishes. The promise is kept with the server's receipt, however many connections it takes, and broken by its refusal, by
   * the queue's policy, or by the end of the client. Publications of one client are published in their order.
   */
  async publish(data: T, { event, key, idempotencyKey, signal }: PublishOptions = {}): Promise<Receipt> {
    const idempotency_key = idempotencyKey ?? this.#host.newKey();
    const command: Command = { type: 'publish', channel: this.name, event, key, idempotency_key, ...encode(data) };
    return { duplicate: false, ...bare(await this.#host.ask(command, signal)) } as Receipt;
  }

  /** What the server keeps: after a cursor, or, without one, the newest. limit is how many at most: 100 unless told otherwise, up to 1000. */
  async history({ cursor, limit, signal }: { cursor?: string; limit?: number; signal?: AbortSignal } = {}): Promise<History<T>> {
    const answer = bare(await this.#host.ask({ type: 'history', channel: this.name, cursor, limit }, signal));
    const messages = answer.messages!.map((heard) => messageOf<T>(heard));
    return { recovered: false, more: false, ...answer, messages } as History<T>;
  }

  /** Who is here; to be asked by subscribers. limit is how many are listed: 100 unless told otherwise, up to 1000. */
  async presence({ limit, signal }: { limit?: number; signal?: AbortSignal } = {}): Promise<Present> {
    return bare(await this.#host.ask({ type: 'presence', channel: this.name, limit }, signal)) as unknown as Present;
  }

  /**
   * A loop over messages and gaps: `for await (const event of channel)`. It ends when the channel is left, and with an error when it is
   * refused or taken away. 1000 events may wait for it; when it is slower, the oldest give way to a gap.
   */
  events(): AsyncIterableIterator<ChannelEvent<T>> {
    const feed: Feed<T> = new Feed<T>(feedLimit, () => this.#feeds.delete(feed));
    this.#feeds.add(feed);
    this.subscribe().catch((error: Error) => feed.end(error));
    return feed;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelEvent<T>> {
    return this.events();
  }

  /** The command that has the server do what is wanted, on a link on which it does not yet. @internal */
  wish(id: () => number): Command | undefined {
    const { asked } = this.#subscription;
    if (this.#wanted === asked) return undefined;
    if (this.#wanted) return this.#subscription.command(id());
    this.#subscription.lost();
    return { type: 'unsubscribe', channel: this.name };
  }

  /** @internal */
  heard(message: Heard): void {
    if (message.forced) this.#wanted = true;
    if (this.#wanted) this.#subscription.heard(message);
  }

  /** The link is gone. @internal */
  lost(): void {
    this.#subscription.lost();
  }

  /** The client is closed. @internal */
  close(error: RingdownError): void {
    this.#subscription.lost();
    if (this.#wanted) this.#end(error);
  }

  #hasBegun(recovered: boolean | undefined): void {
    this.#begun?.resolve();
    this.#events.emit('subscribed', { recovered });
  }

  #tell(event: ChannelEvent<T>): void {
    for (const feed of this.#feeds) feed.push(event);
    if (event.type === 'gap') this.#events.emit('gap', event);
    else this.#events.emit('message', event);
  }

  // Without an error, the channel was left by this side.
  #end(error?: RingdownError): void {
    const why = error ?? new RingdownError('unsubscribed', 'the channel was left');
    this.#wanted = false;
    this.#begun?.reject(why);
    this.#begun = undefined;
    const feeds = [...this.#feeds];
    this.#feeds.clear();
    for (const feed of feeds) feed.end(error);
    this.#events.emit('unsubscribed', why);
  }
}

/** An answer without what only the protocol needs. */
function bare({ type: _, id: __, channel: ___, ...rest }: Heard): Omit<Heard, 'type' | 'id' | 'channel'> {
  return rest;
}
