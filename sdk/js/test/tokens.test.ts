// Tokens: asked for when they are needed, renewed in time, and again when they are refused.

import { expect, test } from 'vitest';
import { meet } from './world.js';

/** A token of which only the end is read. */
const ending = (at: number) => `h.${btoa(JSON.stringify({ exp: at / 1000 }))}.s`;

test('a token is asked for once, and kept over reconnections', async () => {
  const asked: boolean[] = [];
  const { clock, network } = meet({ token: (renew) => (asked.push(renew), 'opaque') });
  await clock.pass(100);
  network.cut();
  await clock.pass(2_000);
  expect(asked).toEqual([false]);
  expect(network.attempts.map(({ token }) => token)).toEqual(['opaque', 'opaque']);
});

test('a token is renewed before it ends, and the session goes on', async () => {
  const asked: boolean[] = [];
  const { clock, network, states } = meet({
    token: async (renew) => {
      asked.push(renew);
      return ending(asked.length * 100_000);
    },
  });
  await clock.pass(195_000);
  expect(asked).toEqual([false, true, true]);
  expect(network.commands.map(({ type, token }) => [type, token])).toEqual([
    ['authenticate', ending(200_000)],
    ['authenticate', ending(300_000)],
  ]);
  expect(states).toEqual(['open websocket']);
});

test('a token that is refused is replaced, and the second refusal of a new one is the end', async () => {
  let refuse = 1;
  const asked: boolean[] = [];
  const { clock, network, client, states } = meet({
    token: (renew) => (asked.push(renew), `token ${asked.length}`),
    before: (n) => (n.refuse = () => (refuse-- > 0 ? { kind: 'told', code: 'unauthorized', message: 'no' } : undefined)),
  });
  await clock.pass(2_000);
  expect(states).toEqual(['waiting unauthorized', 'connecting', 'open websocket']);
  expect(asked).toEqual([false, true]);
  refuse = Infinity;
  network.cut();
  await clock.pass(60_000);
  expect(client.state).toBe('closed');
  expect(asked.length).toBe(4);
});

test('without a token, or with one that is given once, a refusal is the end', async () => {
  for (const token of [undefined, 'fixed']) {
    const { clock, states } = meet({
      ...(token && { token }),
      before: (n) => (n.refuse = () => ({ kind: 'told', code: 'unauthorized', message: 'no' })),
    });
    await clock.pass(100);
    expect(states).toEqual(['closed unauthorized']);
  }
});

test('a function that fails is asked again later', async () => {
  let failures = 2;
  const { clock, states } = meet({
    token: async () => {
      if (failures-- > 0) throw new Error('the login service is away');
      return 'token';
    },
  });
  await clock.pass(10_000);
  expect(states).toEqual(['waiting lost', 'connecting', 'waiting lost', 'connecting', 'open websocket']);
});

test('a client that was closed while the token was on its way stays closed', async () => {
  let give!: (token: string) => void;
  const { clock, network, client } = meet({ token: () => new Promise((resolve) => (give = resolve)) });
  await clock.pass(1);
  client.close();
  give('late');
  await clock.pass(1_000);
  expect(network.attempts).toEqual([]);
});

test('tokens that have ended when they come are not asked for without a pause', async () => {
  let asked = 0;
  const { clock, client } = meet({ token: () => (asked++, ending(-60_000)) });
  await clock.pass(10_500);
  expect([client.state, asked]).toEqual(['open', 11]);
});
