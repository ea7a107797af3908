// Channels: order, resumption, gaps, loops.

import { expect, test } from 'vitest';
import type { ChannelEvent } from '../src/index.js';
import { settle } from './clock.js';
import { meet, outcome } from './world.js';

const tell = (event: ChannelEvent) => (event.type === 'message' ? event.data : `gap ${event.from}-${event.to}${event.recovered ? '' : ' unrecovered'}`);

/** A client that listens to "a", and all that it is told. */
function listening(options: Parameters<typeof meet>[0] & { cursor?: string } = {}) {
  const setting = meet(options);
  const channel = setting.client.channel('a', { presence: true, ...(options.cursor && { cursor: options.cursor }) });
  const told: unknown[] = [];
  channel.on('message', (message) => told.push(tell(message)));
  channel.on('gap', (gap) => told.push(tell(gap)));
  channel.on('subscribed', ({ recovered }) => told.push(`subscribed ${recovered}`));
  channel.on('unsubscribed', ({ code }) => told.push(`unsubscribed ${code}`));
  return { ...setting, channel, told };
}

test('a client goes on where it was, and sees nothing twice', async () => {
  const { clock, network, told } = listening();
  await clock.pass(100);
  network.publish('a', 1);
  await clock.pass(10);
  network.cut();
  network.publish('a', 2);
  await clock.pass(1);
  network.publish('a', 3);
  await clock.pass(2_000);
  network.publish('a', 4);
  await clock.pass(10);
  expect(told).toEqual(['subscribed undefined', 1, 'subscribed true', 2, 3, 4]);
});

test('what the server cannot tell any more is a gap', async () => {
  const { clock, network, told } = listening();
  await clock.pass(100);
  network.publish('a', 1);
  await clock.pass(10);
  network.restart();
  await clock.pass(2_000);
  network.publish('a', 'anew');
  await clock.pass(10);
  expect(told).toEqual(['subscribed undefined', 1, 'subscribed false', 'gap 0-0 unrecovered', 'anew']);
});

test('a cursor outlives the program', async () => {
  const first = listening();
  await first.clock.pass(100);
  first.network.publish('a', 1);
  await first.clock.pass(10);
  expect(first.channel.cursor).toBe('aaaaaaaa-1');
  const later = listening({ cursor: first.channel.cursor, before: (n) => [1, 2, 3].forEach((data) => n.publish('a', data)) });
  await later.clock.pass(100);
  expect(later.told).toEqual(['subscribed true', 2, 3]);
});

test('a gap is told once, and without what came after all', async () => {
  const { clock, network, told } = listening();
  await clock.pass(100);
  network.publish('a', 1);
  const gap = (from: number, to: number) => network.say({ type: 'gap', channel: 'a', from, to, cursor: `aaaaaaaa-${to}` });
  gap(2, 3);
  gap(2, 3);
  gap(1, 1);
  gap(2, 4);
  gap(0, 2); // of another numbering
  await clock.pass(100);
  expect(told).toEqual(['subscribed undefined', 1, 'gap 2-3', 'gap 4-4', 'gap 0-2']);
});

test('gaps and holes are told at their place, duplicates are not', async () => {
  const { clock, network, told, channel } = listening();
  await clock.pass(100);
  const at = (offset: number, more = {}) => ({ type: 'message', channel: 'a', data: offset, offset, cursor: `aaaaaaaa-${offset}`, ...more });
  network.say(at(1));
  network.say({ type: 'gap', channel: 'a', from: 2, to: 3, cursor: 'aaaaaaaa-3' });
  network.say(at(4));
  network.say(at(4));
  network.say(at(7));
  network.say(at(9, { conflated: true }));
  network.say(at(10, { data: '***', encoding: 'base64' }));
  network.say({ type: 'gap', channel: 'a', from: 0, to: 12, cursor: 'aaaaaaaa-12' });
  await clock.pass(10);
  expect(told.slice(1)).toEqual([1, 'gap 2-3', 4, 'gap 5-6', 7, 9, 'gap 10-10', 'gap 0-12']);
  expect(channel.cursor).toBe('aaaaaaaa-12');
});

test('a channel that is refused says so, and one that is refused for the moment is asked for again', async () => {
  const { clock, network, told, channel, client } = listening({
    before: (n) => (n.answer = ({ type }) => (type === 'subscribe' ? { type: 'error', code: 'unavailable', message: 'later' } : undefined)),
  });
  await clock.pass(5_000);
  expect(told).toEqual([]);
  network.answer = () => undefined;
  await clock.pass(5_000);
  expect(told).toEqual(['subscribed undefined']);
  channel.unsubscribe();
  network.answer = ({ type }) => (type === 'subscribe' ? { type: 'error', code: 'not_allowed', message: 'no' } : undefined);
  await expect(Promise.all([channel.subscribe(), clock.pass(100)])).rejects.toMatchObject({ code: 'not_allowed' });
  expect(told.slice(1)).toEqual(['unsubscribed unsubscribed', 'unsubscribed not_allowed']);
  expect(client.state).toBe('open');
});

test('an error that is about something else leaves channels alone', async () => {
  const { clock, network, told, client } = listening();
  const errors: string[] = [];
  client.on('error', ({ code }) => errors.push(code));
  await clock.pass(100);
  network.say({ type: 'error', code: 'unauthorized', message: 'that token is no good' });
  network.say({ type: 'error', id: 4711, code: 'not_allowed', message: 'an answer that came too late' });
  await clock.pass(10);
  expect([told, errors]).toEqual([['subscribed undefined'], ['unauthorized']]);
});

test('leaving and coming back at once leaves one subscription', async () => {
  const { clock, network, told, channel } = listening();
  channel.unsubscribe(); // while the first is on its way
  channel.subscribe();
  await clock.pass(100);
  channel.unsubscribe();
  channel.subscribe();
  channel.unsubscribe();
  network.publish('a', 'not heard');
  await clock.pass(100);
  expect(channel.subscribed).toBe(false);
  channel.subscribe();
  await clock.pass(100);
  network.publish('a', 'heard');
  await clock.pass(100);
  expect(told.filter((what) => !String(what).includes('subscribed'))).toEqual(['not heard', 'heard']);
});

test("the server's own hand: it takes clients out of channels, and puts them in", async () => {
  const { clock, network, told, client } = listening();
  const forced: string[] = [];
  client.on('forced', ({ name }) => forced.push(name));
  await clock.pass(100);
  network.say({ type: 'unsubscribed', channel: 'a', reason: 'the room is closed' });
  network.say({ type: 'subscribed', channel: 'notices', offset: 0, cursor: 'aaaaaaaa-0', forced: true });
  network.say({ type: 'message', channel: 'notices', data: 'hello', offset: 1, cursor: 'aaaaaaaa-1' });
  const notices: unknown[] = [];
  client.channel('notices').on('message', ({ data }) => notices.push(data));
  await clock.pass(10);
  expect([told.at(-1), forced, notices]).toEqual(['unsubscribed unsubscribed', ['notices'], ['hello']]);
});

test('presence changes and answers are two things', async () => {
  const { clock, network, channel } = listening();
  const changes: unknown[] = [];
  channel.on('presence', ({ joined, users }) => changes.push([joined?.user, users]));
  await clock.pass(100);
  network.say({ type: 'presence', channel: 'a', joined: { session: 's2', user: 'bob' }, sessions: 2, users: 2 });
  const present = channel.presence();
  await clock.pass(100);
  expect(changes).toEqual([['bob', 2]]);
  expect(await present).toEqual({ members: [{ session: 's1', user: 'ann' }], sessions: 1, users: 1 });
});

test('a loop takes what comes, and ends when the channel is left', async () => {
  const { clock, network, channel } = listening();
  const taken: unknown[] = [];
  const loop = (async () => {
    for await (const event of channel) taken.push(tell(event));
  })();
  await clock.pass(100);
  for (const data of [1, 2, 3]) network.publish('a', data);
  await clock.pass(10);
  channel.unsubscribe();
  await loop;
  expect(taken).toEqual([1, 2, 3]);
});

test('a loop that is slow is told of a gap in place of the oldest', async () => {
  const { clock, network, channel } = listening();
  const events = channel.events();
  await clock.pass(100);
  for (let i = 1; i <= 1_500; i++) network.publish('a', i);
  await clock.pass(10);
  expect(tell((await events.next()).value as ChannelEvent)).toBe('gap 1-500');
  expect(tell((await events.next()).value as ChannelEvent)).toBe(501);
  await events.return!();
  expect(await events.next()).toMatchObject({ done: true });
});

test('a loop over a channel that is refused ends with the refusal', async () => {
  const { clock, channel } = listening({ before: (n) => (n.answer = () => ({ type: 'error', code: 'not_allowed', message: 'no' })) });
  const next = channel.events().next();
  const seen = outcome(next);
  await clock.pass(100);
  expect(seen.code).toBe('not_allowed');
});

test('a listener that throws stops no other', async () => {
  const { clock, network, channel, told } = listening();
  const caught: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => caught.push(error.message));
  channel.on('message', () => {
    throw new Error('mine');
  });
  const off = channel.on('message', () => told.push('after'));
  await clock.pass(100);
  network.publish('a', 1);
  await clock.pass(10);
  off();
  network.publish('a', 2);
  await clock.pass(10);
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners('uncaughtException');
  before.forEach((listener) => process.on('uncaughtException', listener));
  await settle();
  expect(told.slice(1)).toEqual([1, 'after', 2]);
  expect(caught).toEqual(['mine', 'mine']);
});
