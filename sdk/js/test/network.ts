// A simulated server and the network before it. The server keeps channels, cursors, receipts and idempotency keys as the real one does;
// the network can refuse, eat what is sent, and break.

import type { Clock } from '../src/clock.js';
import type { Command, Heard } from '../src/protocol.js';
import type { Address, Hearing, Transport, TransportName, Wire } from '../src/transports/transport.js';

export const latency = 5; // ms, each way

/** What the network does with a transport: lets it pass, refuses connections, accepts them and eats what is sent, never answers. */
export type Weather = 'passes' | 'refuses' | 'eats' | 'holds';

interface Stored extends Heard {
  offset: number;
  cursor: string;
}

class Line {
  over = false;
  readonly subscribed = new Set<string>();

  constructor(
    readonly network: Network,
    readonly name: TransportName,
    readonly hearing: Hearing,
    readonly address: Address,
  ) {}

  /** Sends to the client, over the network. */
  say(message: Heard): void {
    this.network.later(this, () => this.hearing.message(message));
  }

  end(ending: Parameters<Hearing['ended']>[0]): void {
    this.network.clock.after(latency, () => {
      if (this.over) return;
      this.over = true;
      this.network.lines.delete(this);
      this.hearing.ended(ending);
    });
  }
}

export class Network {
  weather: Record<TransportName, Weather> = { websocket: 'passes', sse: 'passes', poll: 'passes' };
  paused = false; // the server is stopped, and answers nothing
  epoch = 'aaaaaaaa';
  keeps = Infinity; // publications in a channel's history
  readonly lines = new Set<Line>();
  readonly attempts: { at: number; name: TransportName; token: string | undefined }[] = [];
  readonly commands: Command[] = []; // all that the server has heard, pings aside
  /** Answers in place of the server, if it returns something; null answers nothing at all. */
  answer: (command: Command) => Heard | null | undefined = () => undefined;
  /** Refuses an attempt, if it returns something. */
  refuse: (address: Address) => Parameters<Hearing['ended']>[0] | undefined = () => undefined;
  #channels = new Map<string, Stored[]>();
  #keys = new Map<string, Heard>();

  constructor(readonly clock: Clock) {}

  transport(name: TransportName): Transport {
    return { name, open: (address, first, hearing) => this.#open(name, address, first, hearing) };
  }

  /** Runs when what is said now would arrive, if the line lives and the network passes it. */
  later(line: Line, run: () => void): void {
    this.clock.after(latency, () => {
      if (!line.over && !this.paused && this.weather[line.name] === 'passes') run();
    });
  }

  #open(name: TransportName, address: Address, first: readonly string[], hearing: Hearing): Wire {
    this.attempts.push({ at: this.clock.now(), name, token: address.token });
    const line = new Line(this, name, hearing, address);
    this.lines.add(line);
    const send = (commands: readonly string[]) => this.later(line, () => commands.forEach((text) => this.#obey(line, JSON.parse(text))));
    const refused = this.refuse(address);
    if (refused || this.weather[name] === 'refuses') {
      line.end(refused ?? { kind: 'unreachable', message: 'nobody is there' });
    } else if (this.weather[name] !== 'holds') {
      this.clock.after(2 * latency, () => {
        if (line.over) return;
        hearing.accepted();
        line.say({ type: 'welcome', session: `s${this.attempts.length}`, user: 'ann' });
        send(first);
      });
    }
    return {
      send,
      close: () => {
        line.over = true;
        this.lines.delete(line);
      },
    };
  }

  #obey(line: Line, command: Command): void {
    if (command.type === 'ping') return line.say({ type: 'pong' });
    this.commands.push(command);
    const { id, channel = '' } = command;
    const reply = id === undefined ? {} : { id };
    const answer = this.answer(command);
    if (answer === null) return;
    if (answer) return line.say({ ...answer, ...reply });
    switch (command.type) {
      case 'subscribe':
        return this.#subscribe(line, command);
      case 'unsubscribe':
        line.subscribed.delete(channel);
        return;
      case 'publish': {
        const known = this.#keys.get(command.idempotency_key!);
        if (known) return line.say({ ...known, ...reply, duplicate: true });
        const { offset, cursor, time } = this.publish(channel, command.data, command);
        const receipt = { type: 'published', offset, cursor, time: time!, subscribers: 1, lagging: 0 };
        this.#keys.set(command.idempotency_key!, receipt);
        return line.say({ ...receipt, ...reply });
      }
      case 'history':
        return line.say({ type: 'history', ...reply, messages: this.#kept(channel), cursor: this.#cursor(channel) });
      case 'presence':
        return line.say({ type: 'presence', ...reply, members: [{ session: 's1', user: 'ann' }], sessions: 1, users: 1 });
      case 'call':
        return line.say({ type: 'result', ...reply, data: command.data, ...(command.encoding && { encoding: command.encoding }) });
      case 'authenticate':
        return line.say({ type: 'authenticated', ...reply });
    }
  }

  #subscribe(line: Line, { id, channel = '', cursor }: Command): void {
    const kept = this.#kept(channel);
    const top = this.#all(channel).length;
    const [epoch, at] = (cursor ?? '').split('-') as [string, string];
    const recovered = epoch === this.epoch && Number(at) >= top - kept.length;
    const from = recovered ? Number(at) : top;
    line.subscribed.add(channel);
    line.say({
      type: 'subscribed', id: id!, channel, offset: from, cursor: `${this.epoch}-${from}`, ...(cursor && { recovered }),
    });
    for (const message of kept) if (message.offset > from) line.say(message);
  }

  publish(channel: string, data: unknown, { encoding, event, key }: Partial<Command> = {}): Stored {
    const all = this.#all(channel);
    const offset = all.length + 1;
    const message: Stored = {
      type: 'message', channel, data, offset, cursor: `${this.epoch}-${offset}`, time: '2026-01-02T15:04:05.678Z',
      ...(encoding && { encoding }), ...(event && { event }), ...(key && { key }),
    };
    all.push(message);
    for (const line of this.lines) if (line.subscribed.has(channel)) line.say(message);
    return message;
  }

  /** Says something to all. */
  say(message: Heard): void {
    for (const line of this.lines) line.say(message);
  }

  /** Breaks all connections. */
  cut(close = 1006): void {
    for (const line of [...this.lines]) line.end({ kind: 'lost', message: `it broke (${close})`, close });
  }

  /** The server is killed, and another one is there at once: it knows nothing of what was. */
  restart(): void {
    this.cut();
    this.epoch = 'bbbbbbbb';
    this.#channels.clear();
    this.#keys.clear();
  }

  #all(channel: string): Stored[] {
    const all = this.#channels.get(channel) ?? [];
    this.#channels.set(channel, all);
    return all;
  }

  #kept(channel: string): Stored[] {
    return this.#all(channel).slice(-Math.min(this.keeps, 1e9));
  }

  #cursor(channel: string): string {
    return `${this.epoch}-${this.#all(channel).length}`;
  }
}
