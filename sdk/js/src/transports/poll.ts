// Long polling: what gets through where nothing else does.

import type { Clock } from '../clock.js';
import type { Heard } from '../protocol.js';
import { joined } from './cursor.js';
import { HttpWire, pathOf, type Fetch, type Place } from './http.js';
import { isOfRequest, Refusal } from './refusal.js';
import type { Transport } from './transport.js';

const wait = 25_000; // ms that the server may wait for something to tell; some proxies give up after 30 s
const grace = 10_000; // ms beyond that

export function longPolling(fetch: Fetch, clock: Clock): Transport {
  return {
    name: 'poll',
    open(address, first, hearing) {
      const wire = new PollWire(fetch, clock, address, hearing);
      wire.send(first);
      return wire;
    },
  };
}

/** The answer to a poll. */
interface Answer extends Heard {
  gaps?: { channel?: string; from: number; to: number }[];
}

class PollWire extends HttpWire {
  protected async receive(signal: AbortSignal): Promise<void> {
    this.takeOver(signal);
    for (const [channel, place] of [...this.places]) {
      if (!place.begun) await this.#enter(channel, place, signal);
    }
    const channels = [...this.places.keys()].map((channel) => ['channel', channel]);
    if (channels.length === 0) return;
    const parameters = [...channels, ['after', this.cursor], ['wait', `${wait}ms`], ['limit', '1000']];
    const answer = await this.ask('GET', '/channels', parameters, wait + grace, { signal });
    if (signal.aborted) return;
    this.hearing.alive();
    if (answer.recovered === false) {
      for (const channel of this.places.keys()) this.say({ type: 'gap', channel, from: 0, cursor: answer.cursor! });
    }
    this.#take(answer, channels.length === 1 ? channels[0]![1]! : undefined);
    this.cursor = answer.cursor!;
  }

  // A channel is asked for alone at first, to be told what is true of it alone: refused, or recovered.
  async #enter(channel: string, place: Place, signal: AbortSignal): Promise<void> {
    let answer: Answer;
    try {
      const from = place.cursor ? ['after', place.cursor] : ['limit', '1'];
      answer = await this.ask('GET', pathOf(channel), [from], undefined, { signal });
    } catch (error) {
      if (signal.aborted || !(error instanceof Refusal) || !isOfRequest(error.ending)) throw error;
      this.welcome();
      return this.refuse(channel, error.ending);
    }
    if (signal.aborted) return;
    this.welcome();
    this.begin(channel, place, (place.cursor && answer.recovered !== false ? place.cursor : answer.cursor)!, answer.recovered !== false);
    if (place.cursor) this.#take(answer, channel);
    this.cursor = joined([answer.cursor, this.cursor]);
  }

  // What is missing is told at its place among the messages.
  #take({ messages = [], gaps = [], cursor, retry_after }: Answer, only: string | undefined): void {
    const missing = gaps.map((gap) => ({ ...gap, type: 'gap', channel: gap.channel ?? only!, cursor: cursor! }));
    for (const heard of messages) {
      const message = { ...heard, type: 'message', channel: heard.channel ?? only! };
      const before = missing.findIndex(({ channel, to }) => channel === message.channel && to < message.offset!);
      if (before >= 0) this.say(missing.splice(before, 1)[0]!);
      this.say(message);
    }
    missing.forEach((gap) => this.say(gap));
    if (retry_after) {
      this.end({ kind: 'told', code: 'shutting_down', message: 'the server shuts down', retryAfter: retry_after * 1000 });
    }
  }
}
