// What browsers tell pages: that they are looked at, that the network has changed, that they go to sleep in the back-forward cache.

import { expect, test } from 'vitest';
import { Line } from '../src/line.js';
import { watchPage } from '../src/page.js';
import { TestClock } from './clock.js';
import { Network } from './network.js';

function open(weather: Partial<Network['weather']> = {}) {
  const clock = new TestClock();
  const network = new Network(clock);
  Object.assign(network.weather, weather);
  const states: string[] = [];
  const transports = [network.transport('websocket'), network.transport('sse')];
  const world = { clock, random: () => 0.999, transports };
  const options = { base: 'https://test', query: '', token: undefined, backoff: {}, heartbeat: {} };
  const line = new Line(world, options, {
    first: () => [], heard() {}, opened() {}, lost() {}, changed: ({ to }) => states.push(`${to} ${line?.transport ?? ''}`.trim()),
  });
  const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
  const page = Object.assign(new EventTarget(), { document });
  const leave = watchPage(line, page);
  const tell = (target: EventTarget, name: string, more = {}) => target.dispatchEvent(Object.assign(new Event(name), more));
  return { clock, network, line, states, page, document, tell, leave };
}

test('a page in the back-forward cache has no connection, and one again when it is back', async () => {
  const { clock, network, states, page, tell } = open();
  await clock.pass(100);
  tell(page, 'pagehide', { persisted: true });
  expect(network.lines.size).toBe(0);
  await clock.pass(3_600_000);
  expect(network.attempts.length).toBe(1);
  tell(page, 'pageshow', { persisted: true });
  await clock.pass(100);
  expect(states.map((state) => state.split(' ')[0])).toEqual(['open', 'waiting', 'connecting', 'open']);
});

test('a page that is unloaded for good, or shown for the first time, changes nothing', async () => {
  const { clock, states, page, tell } = open();
  tell(page, 'pageshow', { persisted: false });
  await clock.pass(100);
  tell(page, 'pagehide', { persisted: false });
  await clock.pass(100);
  expect(states).toEqual(['open websocket']);
});

test.each(['visibilitychange', 'online', 'resume'])('%s ends a wait', async (name) => {
  const { clock, network, line, page, document, tell } = open();
  await clock.pass(100);
  network.cut();
  await clock.pass(10);
  expect(line.state).toBe('waiting');
  document.visibilityState = 'hidden';
  if (name === 'visibilitychange') tell(document, name);
  await clock.pass(10);
  expect(line.state).toBe('waiting');
  document.visibilityState = 'visible';
  tell(name === 'online' ? page : document, name);
  await clock.pass(100);
  expect(line.state).toBe('open');
});

test('a line that dies with the network is noticed when the browser says offline', async () => {
  const { clock, network, line, page, tell } = open();
  await clock.pass(100);
  network.weather = { websocket: 'eats', sse: 'eats', poll: 'eats' };
  tell(page, 'offline');
  await clock.pass(3_100);
  expect(line.state).not.toBe('open');
});

test('another network is another chance for the best transport', async () => {
  const { clock, network, states, page, tell } = open({ websocket: 'eats' });
  await clock.pass(6_000);
  network.weather.websocket = 'passes';
  network.cut();
  await clock.pass(10);
  tell(page, 'online');
  await clock.pass(100);
  expect(states.at(0)).toBe('open sse');
  expect(states.at(-1)).toBe('open websocket');
});

test('another network is looked at beside a line that is open', async () => {
  const { clock, network, line, states, page, tell } = open({ websocket: 'eats' });
  await clock.pass(6_000);
  tell(page, 'online');
  await clock.pass(6_000);
  expect([line.transport, states]).toEqual(['sse', ['open sse']]);
  network.weather.websocket = 'passes';
  tell(page, 'online');
  await clock.pass(100);
  expect(line.transport).toBe('websocket');
  expect(states.at(-1)).toBe('open websocket');
});

test('whoever has left hears nothing', async () => {
  const { clock, network, page, tell, leave } = open();
  await clock.pass(100);
  leave();
  tell(page, 'pagehide', { persisted: true });
  expect(network.lines.size).toBe(1);
});
