// The real world: the machine's clock, and the transports that this platform has.

import { realClock } from './clock.js';
import type { Memory } from './chooser.js';
import type { ClientOptions } from './client.js';
import type { World } from './line.js';
import { later } from './transports/later.js';
import type { Transport } from './transports/transport.js';
import { webSocket, type SocketClass } from './transports/websocket.js';

// Most pages never need it, so they do not load it.
const fallback = () => import('./transports/fallback.js');

export function realWorld(options: ClientOptions): World {
  const { WebSocket = (globalThis as { WebSocket?: unknown }).WebSocket as SocketClass | undefined, memory = storage() } = options;
  const { fetch = (url, init) => globalThis.fetch(url, init), transports: wanted = ['websocket', 'sse', 'poll'] } = options;
  const all: (Transport | undefined)[] = [
    WebSocket && webSocket(WebSocket),
    later('sse', async () => (await fallback()).serverSentEvents(fetch, realClock)),
    later('poll', async () => (await fallback()).longPolling(fetch, realClock)),
  ];
  const transports = wanted.flatMap((name) => all.find((transport) => transport?.name === name) ?? []);
  if (transports.length === 0) throw new TypeError(`none of the transports ${wanted.join(', ')} is there; pass a WebSocket, or allow others`);
  return { clock: realClock, random, transports, memory: memory || undefined };
}

// Of the kind that nobody else has by chance, for idempotency keys are made of it.
function random(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}

// Where a page may not store anything, the mere look at localStorage throws.
function storage(): Memory | undefined {
  try {
    return (globalThis as { document?: unknown; localStorage?: Memory }).document ? globalThis.localStorage : undefined;
  } catch {
    return undefined;
  }
}
