// A storm: 10,000 clients lose their server at the same moment, and it is away for a while. How they come back is compared with what full
// jitter promises, and drawn in docs/reconnection.md. After a change on purpose: STORM=write npx vitest run storm

import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Client } from '../src/index.js';
import { seeded, TestClock } from './clock.js';
import { latency, Network } from './network.js';

const clients = 10_000;
const slot = 500; // ms
const page = new URL('../../../docs/reconnection.md', import.meta.url);

/** What the server sees: attempts in each slot after it was killed, and how many clients it has after each. */
function storm(away: number, retryAfter?: () => number) {
  const clock = new TestClock();
  const network = new Network(clock);
  const random = seeded(7);
  const world = { clock, random, transports: [network.transport('websocket'), network.transport('sse')] };
  const all = Array.from({ length: clients }, () => new Client('https://test', { world, memory: false }));
  clock.passAtOnce(9_000);
  const steady = network.attempts.length;
  const killed = clock.now() + latency; // as the clients see it
  network.weather = { websocket: 'refuses', sse: 'refuses', poll: 'refuses' };
  if (retryAfter) {
    for (const line of network.lines) line.end({ kind: 'told', code: 'shutting_down', message: 'bye', reconnect: true, retryAfter: retryAfter() });
  } else network.cut();
  clock.passAtOnce(away);
  network.weather.websocket = 'passes';
  clock.passAtOnce(60_000 - away);
  const attempts: number[] = Array(60_000 / slot).fill(0);
  for (const { at } of network.attempts.slice(steady)) attempts[Math.min(Math.floor((at - killed) / slot), attempts.length - 1)]!++;
  const open = all.filter(({ state }) => state === 'open').length;
  for (const client of all) client.close();
  return { attempts, open };
}

const short = storm(0);
const long = storm(8_000);
const told = storm(500, (() => { const draw = seeded(3); return () => 1_000 + draw() * 9_000; })());

test('all of them come back', () => {
  expect([short.open, long.open, told.open]).toEqual([clients, clients, clients]);
});

test('when the server is back at once, they come evenly within a second', () => {
  const [first, second, ...rest] = short.attempts as [number, number, ...number[]];
  for (const share of [first, second]) expect(Math.abs(share - clients / 2)).toBeLessThan(4 * Math.sqrt(clients / 4)); // 4 sigma
  expect(rest.reduce((a, b) => a + b)).toBe(0);
});

test('while it is away they come less and less, and when it is back no half second has more than a tenth of them', () => {
  const perSecond = long.attempts.map((n, i) => n + (long.attempts[i + 1] ?? 0)).filter((_, i) => i % 2 === 0);
  expect(Math.max(...perSecond.slice(4, 8)), 'in its last seconds away').toBeLessThan(perSecond[0]! / 2);
  expect(Math.max(...long.attempts.slice(16))).toBeLessThan(clients / 10);
  const last = long.attempts.findLastIndex((n) => n > 0) * slot;
  expect(last, 'nobody waits longer than the bound that the failures have led to').toBeLessThan(8_000 + 30_000);
});

test('when the server has told each when to come back, they come as it said', () => {
  const within = told.attempts.slice(4, 20); // all but the rims of 1 to 11 s
  for (const n of within) expect(Math.abs(n - (clients * slot) / 9_000)).toBeLessThan(5 * Math.sqrt((clients * slot) / 9_000));
});

test('docs/reconnection.md draws what happens', () => {
  const drawn = document();
  if (process.env['STORM'] === 'write') writeFileSync(page, drawn);
  expect(readFileSync(page, 'utf8'), 'STORM=write npx vitest run storm draws it anew').toBe(drawn);
});

function bars(attempts: number[]): string {
  const end = attempts.findLastIndex((n) => n > 0);
  const most = Math.max(...attempts);
  const bar = (n: number) => '█'.repeat(Math.ceil((n / most) * 60));
  return attempts
    .slice(0, end + 1)
    .map((n, i) => `${((i * slot) / 1000).toFixed(1).padStart(5)} s ${String(n).padStart(6)} ${bar(n)}`.trimEnd())
    .join('\n');
}

function document(): string {
  return `# How clients come back

What a server sees whose ${clients.toLocaleString('en')} clients lose it at the same moment, simulated with \`@ringdown/client\` (the clock and the network are not real, the
clients are). Each line is half a second, with the attempts to connect in it. This page is written by \`sdk/js/test/storm.test.ts\`, which also checks what it
says.

The wait before an attempt is anything between 0 and a bound, which is 1 s after the first failure and doubles up to 30 s ("full jitter").
A connection that was open for 10 s makes the next failure the first again. Clients in pages come back at once, and with the first bound, when the
browser says that the network is back or somebody looks at the page. A server that says when to come back (\`retry_after\`) is obeyed in any
case.

## The server is back at once

Everybody is back after a second.

\`\`\`
${bars(short.attempts)}
\`\`\`

## The server is away for 8 s

Attempts get fewer while it is away. Those that fail three times in a row over WebSocket try an event stream beside, which is what the attempts after the first
seconds partly are. When the server is back, it has the clients that come then at its own pace: the longest that anybody waits is the bound that its own
failures have led to.

\`\`\`
${bars(long.attempts)}
\`\`\`

## The server has told each client when to come back

A server that shuts down draws a time for each client from its \`drain.window\`, here 1 to 10 s. The client adds up to a second.

\`\`\`
${bars(told.attempts)}
\`\`\`
`;
}
