// The line: states, backoff, heartbeat, and who may say when it comes back.

import { expect, test } from 'vitest';
import { Backoff } from '../src/backoff.js';
import { follow, type State } from '../src/state.js';
import { meet } from './world.js';

test('states follow each other as documented, and no other way', () => {
  const legal = ['connecting open', 'connecting waiting', 'connecting closed', 'open waiting', 'open closed', 'waiting connecting', 'waiting closed'];
  const all: State[] = ['connecting', 'open', 'waiting', 'closed'];
  for (const from of all) {
    for (const to of all) {
      if (legal.includes(`${from} ${to}`)) expect(follow(from, to)).toBe(to);
      else expect(() => follow(from, to)).toThrow(`${from} cannot become ${to}`);
    }
  }
});

test('the bound on waits doubles up to its own bound, and waits are anything up to it', () => {
  for (const random of [0, 0.25, 1]) {
    const backoff = new Backoff({}, () => random);
    const waits = Array.from({ length: 7 }, () => backoff.next());
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30].map((s) => s * 1000 * random));
  }
  const huge = new Backoff({}, () => 1);
  for (let i = 0; i < 5000; i++) expect(huge.next()).toBeLessThanOrEqual(30_000);
});

test('a client connects, and comes back when the connection breaks', async () => {
  const { clock, network, client, states } = meet();
  const sessions: string[] = [];
  client.on('state', () => sessions.push(client.session));
  expect(client.state).toBe('connecting');
  await clock.pass(100);
  expect(client.session).toBe('s1');
  expect(client.user).toBe('ann');
  network.cut();
  await clock.pass(100);
  expect(client.session).toBe('');
  await clock.pass(1000);
  expect(states).toEqual(['open websocket', 'waiting lost', 'connecting', 'open websocket']);
  expect(sessions).toEqual(['s1', '', '', 's2']);
});

test('a connection that is cut as soon as it opens is not retried faster and faster', async () => {
  const { clock, network, client } = meet({ random: 1 });
  const waits: number[] = [];
  client.on('state', ({ wait }) => wait !== undefined && waits.push(wait));
  await clock.pass(100);
  for (let i = 0; i < 4; i++) {
    network.cut();
    await clock.pass(5); // it is lost
    await clock.pass(waits.at(-1)! + 100);
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000]);
  await clock.pass(10_000);
  network.cut();
  await clock.pass(5);
  expect(waits.at(-1), 'after a connection that was good').toBe(1000);
});

test('the server says when to come back, and neither hope nor the page changes that', async () => {
  const { clock, network, client, states } = meet({ random: 0 });
  await clock.pass(100);
  network.say({ type: 'disconnect', code: 'shutting_down', message: 'bye', reconnect: true, retry_after: 7 });
  await clock.pass(10);
  expect(states.at(-1)).toBe('waiting shutting_down');
  client.wake();
  await clock.pass(6_900);
  expect(client.state).toBe('waiting');
  await clock.pass(200);
  expect(client.state).toBe('open');
});

test('hope ends a wait, and forgets failures', async () => {
  const { clock, network, client } = meet({ random: 1, transports: ['websocket'] });
  await clock.pass(100);
  network.weather.websocket = network.weather.sse = 'refuses';
  network.cut();
  await clock.pass(40_000);
  expect(client.state).toBe('waiting');
  network.weather.websocket = 'passes';
  client.wake();
  await clock.pass(100);
  expect(client.state).toBe('open');
});

test('a server that stops in its tracks is noticed within 15 s, and a line that is doubted within 3 s', async () => {
  const { clock, network, client, states } = meet();
  await clock.pass(30_000);
  expect(states, 'an idle line is kept').toEqual(['open websocket']);
  network.paused = true;
  await clock.pass(15_100);
  expect(states.at(1)).toBe('waiting silent');
  network.paused = false;
  await clock.pass(60_000);
  expect(client.state).toBe('open');
  network.paused = true;
  client.wake();
  await clock.pass(3_100);
  expect(client.state).not.toBe('open');
});

test('a server that is stopped for a while does not cost the WebSocket', async () => {
  const { clock, network, client } = meet();
  await clock.pass(100);
  network.paused = true;
  await clock.pass(20_000);
  network.paused = false;
  await clock.pass(20_000);
  expect([client.state, client.transport]).toEqual(['open', 'websocket']);
});

test('a machine that slept asks before it gives a line up', async () => {
  const { clock, network, client, states } = meet();
  await clock.pass(12_000);
  await clock.sleep(3_600_000); // as it happens, the line has survived
  await clock.pass(1_000);
  expect(states).toEqual(['open websocket']);
  await clock.sleep(3_600_000);
  network.cut(); // it has not
  await clock.pass(2_000);
  expect(states).toEqual(['open websocket', 'waiting lost', 'connecting', 'open websocket']);
  expect(client.state).toBe('open');
});

test.each([
  ['by its word', { type: 'disconnect', code: 'not_allowed', message: 'your account was closed', reconnect: false }, 'closed not_allowed'],
  ['for a token that is no good', { type: 'disconnect', code: 'unauthorized', message: 'who?', reconnect: true }, 'closed unauthorized'],
])('the server ends a client %s', async (_, message, state) => {
  const { clock, network, client, states } = meet();
  const publishing = client.channel('a').publish(1).catch((error: unknown) => error);
  await clock.pass(100);
  const waits = client.channel('a').history().catch((error: { code: string }) => error.code);
  network.say(message);
  await clock.pass(10);
  expect(states.at(-1)).toBe(state);
  await publishing;
  await waits;
  await expect(client.channel('a').publish(1)).rejects.toMatchObject({ code: message.code });
  await expect(client.opened()).rejects.toMatchObject({ code: message.code });
});

test('close is for good', async () => {
  const { clock, network, client, states } = meet();
  await clock.pass(100);
  const waits = client.channel('a').history().catch((error: { code: string }) => error.code);
  client.close();
  client.close();
  client.wake();
  network.cut();
  await clock.pass(60_000);
  expect(await waits).toBe('closed');
  expect(states).toEqual(['open websocket', 'closed closed']);
  expect(network.lines.size).toBe(0);
});

test('a listener may close the client at any change', async () => {
  for (const at of ['open', 'waiting', 'connecting']) {
    const { clock, network, client } = meet();
    client.on('state', ({ to }) => to === at && client.close());
    await clock.pass(100);
    network.cut();
    await clock.pass(10_000);
    expect(client.state).toBe('closed');
    expect(network.lines.size).toBe(0);
  }
});

test('a transport that cannot even try is passed over, and leaves nothing behind', async () => {
  const { clock, states } = meet({
    before: (n) => {
      n.weather.sse = n.weather.poll = 'refuses';
      n.refuse = () => {
        if (n.clock.now() < 8_000) throw new SyntaxError('this cannot be a subprotocol');
        return undefined;
      };
    },
  });
  await clock.pass(60_000);
  expect(states.slice(0, 2)).toEqual(['waiting unreachable', 'connecting']);
  expect(states.at(-1)).toBe('open websocket');
});
