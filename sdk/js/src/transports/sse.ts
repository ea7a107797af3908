// Server-Sent Events: what is published comes as a stream, read by fetch, which can show a token and tells why it was refused.

import type { Clock } from '../clock.js';
import type { Heard } from '../protocol.js';
import { joined, reaches } from './cursor.js';
import { EventStream, type StreamEvent } from './event-stream.js';
import { HttpWire, pathOf, type Fetch, type Place } from './http.js';
import { isOfRequest, Refusal } from './refusal.js';
import type { Transport } from './transport.js';

const stream = 'text/event-stream';
const answered = 10_000; // ms for the answer to begin
const firstWithin = 8_000; // ms for the first event, which the server sends at once; proxies that hold streams back let nothing pass
const overlap = 100; // ms in which what a stream cannot tell may come on the one before
const quiet = 45_000; // ms without a byte until a stream is dead; the server sends something every 20 s

export function serverSentEvents(fetch: Fetch, clock: Clock): Transport {
  return {
    name: 'sse',
    open(address, first, hearing) {
      const wire = new StreamWire(fetch, clock, address, hearing);
      wire.send(first);
      return wire;
    },
  };
}

class StreamWire extends HttpWire {
  protected async receive(signal: AbortSignal): Promise<void> {
    const places = new Map(this.places);
    const after = joined([...[...places.values()].map(({ begun, cursor }) => (begun ? '' : cursor)), this.cursor]);
    const channels = [...places.keys()].map((channel) => ['channel', channel]);
    const parameters = [['transport', 'sse'], ['format', 'json'], ...channels, ...(after ? [['after', after]] : [])];
    const cancel = this.clock.after(answered, () => this.end({ kind: 'silent', message: 'no answer to the request for an event stream' }, signal));
    let response: Response;
    try {
      response = await this.request('GET', '/channels', parameters, { headers: { Accept: stream }, signal }, stream);
    } catch (error) {
      if (!(error instanceof Refusal) || !isOfRequest(error.ending)) throw error;
      return this.#examine(error.ending.code!);
    } finally {
      cancel();
    }
    await this.#follow(response, places, signal);
  }

  // One of the channels is refused, and so the whole request was. Each is asked for alone, to find out which.
  async #examine(code: string): Promise<void> {
    const before = this.places.size;
    for (const channel of [...this.places.keys()]) {
      try {
        await this.ask('GET', pathOf(channel), [['limit', '1']]);
      } catch (error) {
        if (!(error instanceof Refusal) || !isOfRequest(error.ending)) throw error;
        this.welcome();
        this.refuse(channel, error.ending);
      }
    }
    if (this.places.size === before) throw new Refusal({ kind: 'told', code, message: 'the event stream is refused' });
  }

  async #follow(response: Response, places: Map<string, Place>, signal: AbortSignal): Promise<void> {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventStream();
    const resumed = [...places.values()].some(({ begun }) => begun);
    const silent = () => this.end({ kind: 'silent', message: 'the event stream passes nothing' }, signal);
    let cancel = this.clock.after(firstWithin, silent);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (signal.aborted) return;
        if (done && this.#left(places).length === 0) return; // each was taken away
        if (done) return this.end({ kind: 'lost', message: 'the event stream broke' }, signal);
        cancel();
        cancel = this.clock.after(quiet, silent);
        this.hearing.alive();
        for (const event of events.take(value)) {
          if (event.event === 'gap' && resumed && this.follows(signal)) await new Promise<void>((go) => void this.clock.after(overlap, go));
          if (signal.aborted) return;
          this.welcome();
          this.takeOver(signal);
          this.#event(event, places);
          if (this.over) return;
        }
      }
    } finally {
      cancel();
    }
  }

  // Those channels that were asked for and have not been left since, not even to be joined anew.
  #left(places: Map<string, Place>): [string, Place][] {
    return [...places].filter(([channel, place]) => this.places.get(channel) === place);
  }

  #event({ id, event, data }: StreamEvent, places: Map<string, Place>): void {
    if (data !== undefined) this.#told(JSON.parse(data) as Heard, event, id ?? this.cursor, places);
    if (id === undefined) return;
    this.cursor = id;
    if (data === undefined) {
      for (const [channel, place] of this.#left(places)) if (!place.begun) this.begin(channel, place, id, true);
    }
  }

  #told(told: Heard, event: string | undefined, id: string, places: Map<string, Place>): void {
    if (event === 'end' && told.code !== undefined && told.offset === undefined) return this.#end(told, places);
    const channel = told.channel!;
    const place = this.places.get(channel);
    if (!place || place !== places.get(channel)) return; // left meanwhile
    const { begun } = place;
    if (!begun) this.begin(channel, place, id, told.recovered !== false);
    if (told.offset !== undefined) {
      place.at = told.cursor;
      this.say({ ...told, type: 'message' });
    } else if (told.recovered !== false || (begun && !(place.at && reaches(place.at, id)))) { // or the stream before has told it
      this.say({ type: 'gap', channel, from: told.from ?? 0, ...(told.to && { to: told.to }), cursor: id });
    }
  }

  #end({ channel, code, message = '', retry_after }: Heard, places: Map<string, Place>): void {
    const [only] = places.keys();
    const of = channel ?? (code === 'not_allowed' && places.size === 1 ? only : undefined);
    if (of !== undefined) {
      if (this.places.get(of) !== places.get(of)) return;
      this.places.delete(of);
      return this.say({ type: 'unsubscribed', channel: of, reason: message });
    }
    this.end({ kind: 'told', code: code!, message, ...(retry_after && { retryAfter: retry_after * 1000 }) });
  }
}
