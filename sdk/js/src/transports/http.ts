// A wire made of HTTP requests to /channels (docs/channels.md): publications are POSTed, histories asked for. How publications come is
// the matter of those that extend it, an event stream or polls.

import type { Clock } from '../clock.js';
import { fromBase64 } from '../payload.js';
import type { Command, Heard } from '../protocol.js';
import { isOf, isOfRequest, refusal, Refusal } from './refusal.js';
import type { Address, Ending, Hearing, Wire } from './transport.js';

const maxChannels = 32; // of one request
const fullAnswer = 1 << 20; // bytes that may make an answer shorter than its limit
const patience = 15_000; // ms for the answer to a request that the server need not wait to answer

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** A channel that is subscribed to. */
export interface Place {
  id: number | undefined;
  /** Where to go on: from the subscription; of no use once it has begun. */
  cursor: string | undefined;
  /** The client was told that it is subscribed. */
  begun: boolean;
  /** Its position after the last publication that was told, if there was one. */
  at?: string | undefined;
}

export abstract class HttpWire implements Wire {
  protected readonly places = new Map<string, Place>();
  protected cursor = ''; // of all channels that have begun
  protected readonly hearing: Hearing;
  protected readonly clock: Clock;
  #address: Address;
  #fetch: Fetch;
  #all = new AbortController(); // of every request
  #turn = new AbortController(); // of those by which publications come
  #before = this.#turn; // of those that they are to follow, until they do
  #changing = false;
  #posting = Promise.resolve(); // one after the other, to keep their order
  #welcomed = false;
  #unanswered = 0; // pings before the welcome

  constructor(fetch: Fetch, clock: Clock, address: Address, hearing: Hearing) {
    this.#fetch = fetch;
    this.clock = clock;
    this.#address = address;
    this.hearing = hearing;
  }

  /** Takes what has been published, beginning with takeOver, and returns when it is to be called again. */
  protected abstract receive(signal: AbortSignal): Promise<void>;

  send(commands: readonly string[]): void {
    for (const text of commands) {
      if (!this.over) this.#obey(JSON.parse(text) as Command);
    }
  }

  close(): void {
    this.#all.abort();
    this.#turn.abort();
    this.#before.abort();
  }

  protected get over(): boolean {
    return this.#all.signal.aborted;
  }

  /** The end, if it is that of the present turn, and not of one which others follow. */
  protected end(ending: Ending, signal = this.#turn.signal): void {
    if (this.over || signal !== this.#turn.signal) return;
    this.close();
    this.hearing.ended(ending);
  }

  protected say(message: Heard): void {
    if (!this.over) this.hearing.message(message);
  }

  /** The first thing that shows that answers pass. */
  protected welcome(): void {
    if (this.#welcomed) return;
    this.#welcomed = true;
    this.say({ type: 'welcome' });
    for (; this.#unanswered > 0; this.#unanswered--) this.say({ type: 'pong' });
  }

  /** Whether there is a turn before that of the signal. */
  protected follows(signal: AbortSignal): boolean {
    return signal === this.#turn.signal && this.#before !== this.#turn;
  }

  /** The turn of a signal passes what the one before it did, which can end. */
  protected takeOver(signal: AbortSignal): void {
    if (!this.follows(signal)) return;
    this.#before.abort();
    this.#before = this.#turn;
  }

  /** Tells that a channel has begun. recovered counts if there was a cursor. */
  protected begin(channel: string, place: Place, cursor: string, recovered: boolean): void {
    place.begun = true;
    this.say({ type: 'subscribed', channel, cursor, ...reply(place.id), ...(place.cursor && { recovered }) });
  }

  protected refuse(channel: string, { code, message }: Ending): void {
    const place = this.places.get(channel);
    this.places.delete(channel);
    this.say({ type: 'error', code: code!, message, ...reply(place?.id) });
  }

  /** Gets an answer of a type; the error is a Refusal. */
  protected async request(method: string, path: string, parameters: string[][], more: RequestInit = {}, type = 'application/json'): Promise<Response> {
    const query = [this.#address.query, new URLSearchParams(parameters).toString()].filter(Boolean).join('&');
    const headers = new Headers(more.headers);
    if (this.#address.token) headers.set('Authorization', `Bearer ${this.#address.token}`);
    const signal = more.signal ?? this.#all.signal;
    let response: Response;
    try {
      response = await this.#fetch(`${this.#address.base}${path}${query && `?${query}`}`, {
        method, cache: 'no-store', credentials: 'include', ...more, headers, signal,
      });
    } catch (error) {
      throw new Refusal({ kind: this.#welcomed ? 'lost' : 'unreachable', message: `${method} ${path}: ${String(error)}` });
    }
    if (!this.over) this.hearing.accepted();
    if (!response.ok || !isOf(response, type)) throw await refusal(response);
    return response;
  }

  /** As request, and its text. A line on which that takes more than ms is dead. */
  async #read(method: string, path: string, parameters: string[][], ms: number, more: RequestInit): Promise<string> {
    const late = () => this.end({ kind: 'silent', message: `no answer to ${method} ${path} within ${ms} ms` });
    const cancel = this.clock.after(ms, late);
    try {
      return await (await this.request(method, path, parameters, more)).text();
    } finally {
      cancel();
    }
  }

  /** As request, and its JSON. */
  protected async ask(method: string, path: string, parameters: string[][], ms = patience, more: RequestInit = {}): Promise<Heard> {
    return JSON.parse(await this.#read(method, path, parameters, ms, more)) as Heard;
  }

  #obey(command: Command): void {
    const { type, id, channel = '' } = command;
    switch (type) {
      case 'subscribe':
        return this.#subscribe(command);
      case 'unsubscribe':
        this.#changed(this.places.delete(channel));
        return;
      case 'authenticate':
        this.#address = { ...this.#address, token: command.token };
        this.#changed(true); // a stream ends with its token
        return this.say({ type: 'authenticated', ...reply(id) });
      case 'ping':
        return this.#ping();
      case 'publish':
        this.#posting = this.#posting.then(() => this.#answer(id, () => this.#publish(command)));
        return;
      case 'history':
        void this.#answer(id, () => this.#history(command));
        return;
      default: {
        const message = `${type} needs a WebSocket, and this client found no way to open one; try again later`;
        return this.say({ type: 'error', ...reply(id), code: 'needs_websocket', message });
      }
    }
  }

  #subscribe({ id, channel = '', cursor }: Command): void {
    if (this.places.size >= maxChannels) {
      const message = `without a WebSocket there are at most ${maxChannels} channels; leave some`;
      return this.say({ type: 'error', ...reply(id), code: 'too_many_subscriptions', message });
    }
    this.places.set(channel, { id, cursor, begun: false });
    this.#changed(true);
  }

  // The channels are others: the request for publications is made anew, once for all changes of a moment. It is for the new one to end
  // that before it, so that a channel need not be without a subscriber in between.
  #changed(changed: boolean): void {
    if (!changed || this.#changing) return;
    this.#changing = true;
    queueMicrotask(() => {
      this.#changing = false;
      if (this.#turn !== this.#before) this.#turn.abort(); // it has not come to anything
      this.#turn = new AbortController();
      void this.#run(this.#turn.signal);
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!this.over && signal === this.#turn.signal && this.places.size > 0) {
      try {
        await this.receive(signal);
      } catch (error) {
        return this.#failed(error, signal);
      }
    }
    this.takeOver(signal); // there is nothing to receive
  }

  #failed(error: unknown, signal?: AbortSignal): void {
    this.end(error instanceof Refusal ? error.ending : { kind: 'lost', message: String(error) }, signal);
  }

  // Something that costs little: an empty poll of one of the channels or, without any, of one that may not be allowed, which is an answer
  // as well. It is not OPTIONS, for that would be answered to everybody, whatever his token.
  #ping(): void {
    if (!this.#welcomed) this.#unanswered++;
    queueMicrotask(async () => {
      const [channel] = this.places.keys();
      if (channel !== undefined && !this.#welcomed) return; // what comes of the channels will show it
      try {
        await this.#read('HEAD', pathOf(channel ?? '-'), [['limit', '1']], patience, {});
      } catch (error) {
        if (!(error instanceof Refusal) || error.ending.code !== 'not_allowed') return this.#failed(error);
      }
      if (this.#welcomed) this.say({ type: 'pong' });
      else this.welcome();
    });
  }

  // After the end nothing more is done: what comes later in the queue must not overtake what failed.
  async #answer(id: number | undefined, work: () => Promise<Heard>): Promise<void> {
    if (this.over) return;
    try {
      this.say({ ...(await work()), ...reply(id) });
    } catch (error) {
      if (this.over) return;
      if (!(error instanceof Refusal) || !isOfRequest(error.ending)) return this.#failed(error);
      this.say({ type: 'error', ...reply(id), code: error.ending.code!, message: error.ending.message });
    }
  }

  async #publish({ channel = '', event, key, idempotency_key, data, encoding }: Command): Promise<Heard> {
    const text = typeof data === 'string';
    const form = encoding ? 'application/octet-stream' : text ? 'text/plain; charset=utf-8' : 'application/json';
    const headers = { 'Content-Type': form, ...(idempotency_key && { 'Idempotency-Key': idempotency_key }) };
    const body = encoding ? fromBase64(data as string) : text ? data : JSON.stringify(data);
    const parameters = [...(event ? [['event', event]] : []), ...(key ? [['key', key]] : [])];
    return { ...(await this.ask('POST', pathOf(channel), parameters, patience, { headers, body })), type: 'published' };
  }

  async #history({ channel = '', cursor, limit = 100 }: Command): Promise<Heard> {
    const parameters = [['limit', String(limit)], ...(cursor ? [['after', cursor]] : [])];
    const text = await this.#read('GET', pathOf(channel), parameters, patience, {});
    const answer = JSON.parse(text) as Heard;
    const messages = (answer.messages ?? []).map((message) => ({ ...message, channel }));
    const recovered = cursor ? { recovered: answer.recovered !== false } : {};
    const cut = messages.length >= limit || new TextEncoder().encode(text).length >= fullAnswer;
    return { type: 'history', messages, cursor: answer.cursor ?? '', more: !!cursor && cut, ...recovered };
  }
}

export const pathOf = (channel: string): string => `/channels/${encodeURIComponent(channel)}`;

const reply = (id: number | string | undefined) => (id === undefined ? {} : { id });
