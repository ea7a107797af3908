// A client in a simulated world, and what it says.

import { afterEach } from 'vitest';
import { Client, type ClientOptions, type Memory, type RingdownError } from '../src/index.js';
import { seeded, TestClock } from './clock.js';
import { Network } from './network.js';

const clients: Client[] = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

export interface Setting {
  clock: TestClock;
  network: Network;
  client: Client;
  /** The states that the client went through, oldest first, as "open websocket" or "waiting lost". */
  states: string[];
}

/** A client of a simulated server. random is what all drawing comes to; 0.999 is the longest wait there is. */
export function meet(options: ClientOptions & { random?: number; before?: (network: Network) => void; memory?: Memory } = {}): Setting {
  const clock = new TestClock();
  const network = new Network(clock);
  options.before?.(network);
  const drawn = seeded(1);
  let named = 0; // the client's name is drawn first
  const random = () => (named++ < 4 ? drawn() : (options.random ?? 0.5));
  const transports = (['websocket', 'sse', 'poll'] as const).map((name) => network.transport(name));
  const client = new Client('https://test/connect?user=ann', { ...options, world: { clock, random, transports, memory: options.memory } });
  const states: string[] = [];
  client.on('state', ({ to, cause, transport }) => states.push([to, transport ?? cause?.code].filter(Boolean).join(' ')));
  clients.push(client);
  return { clock, network, client, states };
}

/** The code of the error with which a promise is broken, or 'kept'. */
export function outcome(promise: Promise<unknown>): { code: string } {
  const seen = { code: 'waits' };
  promise.then(
    () => (seen.code = 'kept'),
    (error: RingdownError) => (seen.code = error.code ?? String(error)),
  );
  return seen;
}
