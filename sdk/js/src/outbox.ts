// The outbox: what was asked of the server and is not answered yet, in its order. It outlives links: what may be repeated is sent again
// over the next one.

import type { Clock } from './clock.js';
import { RingdownError } from './errors.js';
import type { Command, Heard } from './protocol.js';
import { errorOf } from './line.js';
import type { Ending } from './transports/transport.js';

/** How much may wait for an answer of the server's, be there a connection or not. */
export interface QueueOptions {
  /** How many commands: 1000 unless told otherwise. */
  limit?: number;
  /** How long they may be in all, in characters of JSON: 4 Mi unless told otherwise. */
  length?: number;
  /**
   * What happens when there is no more room: `reject` refuses the new one (the default), `drop-oldest` gives up the oldest publication
   * that was not sent yet.
   */
  policy?: 'reject' | 'drop-oldest';
}

interface Ask {
  id: number;
  type: Command['type'];
  text: string;
  sentAt: number | undefined; // for the first time
  onWire: boolean; // over the present link
  resolve: (answer: Heard) => void;
  reject: (error: unknown) => void;
  unheard: () => void; // whoever may stop the waiting is not listened to any more
}

const window = 240_000; // ms that a publication may be repeated; the server knows its key for 5 minutes
const ourFault = [1002, 1003, 1007, 1008, 1009]; // close codes that blame what was sent, which is then not sent again

export class Outbox {
  #clock: Clock;
  #send: (commands: string[]) => void;
  #limit: number;
  #length: number;
  #policy: 'reject' | 'drop-oldest';
  #asks = new Map<number, Ask>();
  #used = 0; // characters
  #open = false;

  constructor(clock: Clock, options: QueueOptions, send: (commands: string[]) => void) {
    this.#clock = clock;
    this.#send = send;
    this.#limit = options.limit ?? 1_000;
    this.#length = options.length ?? 4 << 20;
    this.#policy = options.policy ?? 'reject';
  }

  /** How many commands wait for an answer. */
  get size(): number {
    return this.#asks.size;
  }

  /** Sends a command, now or when there is a connection. The promise is kept with the answer, or broken with the server's refusal. */
  ask(id: number, command: Command, signal?: AbortSignal): Promise<Heard> {
    signal?.throwIfAborted();
    const text = JSON.stringify({ ...command, id });
    this.#makeRoom(text.length);
    return new Promise((resolve, reject) => {
      const stop = () => this.#reject(ask, signal!.reason);
      const unheard = () => signal?.removeEventListener('abort', stop);
      const ask: Ask = { id, type: command.type, text, sentAt: undefined, onWire: false, resolve, reject, unheard };
      this.#asks.set(id, ask);
      this.#used += text.length;
      signal?.addEventListener('abort', stop);
      if (this.#open) this.#flush([ask]);
    });
  }

  /** There is a connection. */
  opened(): void {
    this.#open = true;
    this.#flush([...this.#asks.values()]);
  }

  /** It is gone. */
  lost(ending: Ending): void {
    this.#open = false;
    for (const ask of [...this.#asks.values()]) {
      if (!ask.onWire) continue;
      ask.onWire = false;
      if (ending.close !== undefined && ourFault.includes(ending.close)) this.#reject(ask, errorOf(ending));
      else if (ask.type === 'call') {
        this.#reject(ask, new RingdownError('lost', 'the connection broke before the answer came; nobody knows whether the call was handled'));
      }
    }
  }

  /** Takes an answer; false if it is none of ours. */
  answered(message: Heard): boolean {
    const ask = this.#asks.get(message.id as number);
    if (!ask) return false;
    const { type, code = '', message: sentence = '' } = message;
    if (type !== 'error') this.#remove(ask).resolve(message);
    else if (code === 'shutting_down' && ask.type !== 'call') ask.onWire = false; // for the next link
    else this.#reject(ask, new RingdownError(code, sentence));
    return true;
  }

  /** Nothing will be sent any more. */
  close(error: RingdownError): void {
    for (const ask of [...this.#asks.values()]) this.#reject(ask, error);
  }

  #flush(asks: Ask[]): void {
    const now = this.#clock.now();
    const texts: string[] = [];
    for (const ask of asks) {
      if (ask.type === 'publish' && now - (ask.sentAt ?? now) > window) {
        this.#reject(ask, new RingdownError('unknown_outcome', 'it was sent, and it has been too long without an answer to send it again'));
        continue;
      }
      ask.sentAt ??= now;
      ask.onWire = true;
      texts.push(ask.text);
    }
    if (texts.length > 0) this.#send(texts);
  }

  #makeRoom(length: number): void {
    const full = () => this.#asks.size >= this.#limit || this.#used + length > this.#length;
    while (full()) {
      const oldest = [...this.#asks.values()].find(({ type, sentAt }) => type === 'publish' && sentAt === undefined);
      if (this.#policy === 'reject' || !oldest) {
        throw new RingdownError('queue_full', `${this.#asks.size} commands wait already; wait for answers, or raise the queue's limit`);
      }
      this.#reject(oldest, new RingdownError('dropped', 'the queue was full, and a newer publication took its place'));
    }
  }

  #reject(ask: Ask, error: unknown): void {
    if (this.#asks.has(ask.id)) this.#remove(ask).reject(error);
  }

  #remove(ask: Ask): Ask {
    this.#asks.delete(ask.id);
    this.#used -= ask.text.length;
    ask.unheard();
    return ask;
  }
}
