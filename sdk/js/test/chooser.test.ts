// Which transport is used: the best of those that really pass something.

import { expect, test } from 'vitest';
import { meet } from './world.js';

test('a proxy that accepts the Upgrade and eats the frames does not fool the client', async () => {
  const { clock, network, client, states } = meet({ before: (n) => (n.weather.websocket = 'eats') });
  await clock.pass(6_000);
  expect(states).toEqual(['open sse']);
  expect(network.attempts.map(({ name }) => name)).toEqual(['websocket', 'sse']);
  expect(client.transport).toBe('sse');
});

test('polls are what is left where streams are held back, too', async () => {
  const { clock, states } = meet({ before: (n) => (n.weather.websocket = n.weather.sse = 'eats') });
  await clock.pass(11_000);
  expect(states).toEqual(['open poll']);
});

test('a proxy that holds back even the answer to a stream leaves polls', async () => {
  const { clock, states } = meet({ before: (n) => (n.weather.websocket = n.weather.sse = 'holds') });
  await clock.pass(21_000);
  expect(states).toEqual(['open poll']);
});

test('where nobody answers, not everything is tried', async () => {
  const { clock, network, states } = meet({ before: (n) => (n.weather = { websocket: 'refuses', sse: 'refuses', poll: 'refuses' }) });
  await clock.pass(100);
  expect(network.attempts.map(({ name }) => name)).toEqual(['websocket', 'sse']);
  expect(states).toEqual(['waiting unreachable']);
});

test('what worked is tried alone twice, before the others are', async () => {
  const { clock, network } = meet({ random: 1 });
  await clock.pass(100);
  network.weather = { websocket: 'refuses', sse: 'refuses', poll: 'refuses' };
  network.cut();
  await clock.pass(7_500);
  expect(network.attempts.map(({ name }) => name)).toEqual(['websocket', 'websocket', 'websocket', 'websocket', 'sse']);
});

test('it is remembered what worked, for a while, and by later clients', async () => {
  const stored = new Map<string, string>();
  const memory = { getItem: (key: string) => stored.get(key) ?? null, setItem: (key: string, value: string) => void stored.set(key, value) };
  const first = meet({ memory, before: (n) => (n.weather.websocket = 'eats') });
  await first.clock.pass(6_000);
  expect([...stored]).toEqual([[`ringdown:https://test`, expect.stringMatching(/^sse \d+$/)]]);
  const second = meet({ memory });
  await second.clock.pass(100);
  expect(second.states).toEqual(['open sse']);
  await second.clock.pass(700_000);
  expect(second.client.transport, 'and then the best is tried again').toBe('websocket');
});

test('storage that is forbidden costs nothing but the memory', async () => {
  const refuse = () => {
    throw new Error('SecurityError');
  };
  const { clock, states } = meet({ memory: { getItem: refuse, setItem: refuse } });
  await clock.pass(100);
  expect(states).toEqual(['open websocket']);
});

test('the best is tried beside the one that works, which is not given up before', async () => {
  const { clock, network, client, states } = meet({ before: (n) => (n.weather.websocket = 'eats') });
  const heard: unknown[] = [];
  client.channel('a').on('message', ({ data }) => heard.push(data));
  await clock.pass(700_000);
  expect(states).toEqual(['open sse']);
  expect(network.attempts.filter(({ name }) => name === 'websocket').length).toBe(2);
  network.weather.websocket = 'passes';
  network.publish('a', 1);
  await clock.pass(1_300_000);
  network.publish('a', 2);
  await clock.pass(100);
  expect(states).toEqual(['open sse', 'waiting lost', 'connecting', 'open websocket']);
  expect(heard).toEqual([1, 2]);
});
