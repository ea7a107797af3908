// What is asked of the server: sent again over the next connection where that is safe, refused where it is not, within bounds.

import { expect, test } from 'vitest';
import { meet, outcome } from './world.js';

test('what is published while there is no connection waits, and keeps its order', async () => {
  const { clock, network, client } = meet({ before: (n) => (n.weather = { websocket: 'refuses', sse: 'refuses', poll: 'refuses' }) });
  const channel = client.channel<number>('a');
  const receipts = [1, 2, 3].map((data) => channel.publish(data));
  await clock.pass(5_000);
  expect(client.waiting).toBe(3);
  network.weather.websocket = 'passes';
  client.wake();
  await clock.pass(10_000);
  expect((await Promise.all(receipts)).map(({ offset }) => offset)).toEqual([1, 2, 3]);
  expect(client.waiting).toBe(0);
});

test('a publication whose receipt is lost is published once', async () => {
  const { clock, network, client } = meet();
  await clock.pass(100);
  const receipt = client.channel('a').publish('hello', { event: 'greeting', key: 'k' });
  await clock.pass(4);
  network.cut(); // when it has arrived, and before the answer does
  await clock.pass(3_000);
  expect(await receipt).toMatchObject({ offset: 1, duplicate: true });
  expect(network.commands.filter(({ type }) => type === 'publish').map(({ event, key, idempotency_key }) => [event, key, idempotency_key])).toEqual(
    Array(2).fill(['greeting', 'k', expect.stringMatching(/^\w{20,}-1$/)]),
  );
});

test('a publication that was sent too long ago is not sent again, for it could be doubled', async () => {
  const { clock, network, client } = meet({ before: (n) => (n.answer = ({ type }) => (type === 'publish' ? null : undefined)) });
  await clock.pass(100);
  const seen = outcome(client.channel('a').publish(1));
  await clock.pass(5);
  network.weather = { websocket: 'refuses', sse: 'refuses', poll: 'refuses' };
  network.cut();
  await clock.pass(300_000);
  network.weather.websocket = 'passes';
  await clock.pass(60_000);
  expect(seen.code).toBe('unknown_outcome');
  expect(network.commands.length).toBe(1);
});

test('a call is answered, and not asked twice', async () => {
  const { clock, network, client } = meet();
  await clock.pass(100);
  const echo = client.call<{ a: number }>('echo', { a: 1 });
  await clock.pass(20);
  expect(await echo).toEqual({ a: 1 });
  const lost = outcome(client.call('echo'));
  await clock.pass(1);
  network.cut();
  await clock.pass(2_000);
  expect(lost.code).toBe('lost');
  network.cut();
  await clock.pass(5);
  const waiting = client.call('echo', 'asked while there is no connection');
  await clock.pass(2_000);
  expect(await waiting).toBe('asked while there is no connection');
});

test('a refusal breaks the promise, and a server that shuts down does not', async () => {
  const { clock, network, client } = meet();
  await clock.pass(100);
  network.answer = () => ({ type: 'error', code: 'not_allowed', message: 'no' });
  const refused = outcome(client.channel('a').publish(1));
  await clock.pass(20);
  network.answer = () => ({ type: 'error', code: 'shutting_down', message: 'bye' });
  const later = client.channel('a').publish(2);
  await clock.pass(20);
  network.answer = () => undefined;
  network.cut();
  await clock.pass(2_000);
  expect([refused.code, (await later).offset]).toEqual(['not_allowed', 1]);
});

test('what the server will not have is not sent for ever', async () => {
  const { clock, network, client } = meet({ before: (n) => (n.answer = ({ type }) => (type === 'publish' ? null : undefined)) });
  await clock.pass(100);
  const seen = outcome(client.channel('a').publish('x'.repeat(300_000)));
  await clock.pass(10);
  network.cut(1009);
  await clock.pass(5_000);
  expect([seen.code, client.state, network.commands.length]).toEqual(['lost', 'open', 1]);
});

const nobody = (n: { weather: Record<string, string> }) => void Object.assign(n.weather, { websocket: 'refuses', sse: 'refuses', poll: 'refuses' });

test('the queue is bounded: the new one is refused, or the oldest gives way', async () => {
  const strict = meet({ before: nobody, queue: { limit: 2 } });
  const first = [1, 2, 3].map((data) => outcome(strict.client.channel('a').publish(data)));
  await strict.clock.pass(10);
  expect(first.map(({ code }) => code)).toEqual(['waits', 'waits', 'queue_full']);

  const loose = meet({ before: nobody, queue: { limit: 2, policy: 'drop-oldest' } });
  const second = [1, 2, 3].map((data) => outcome(loose.client.channel('a').publish(data)));
  await loose.clock.pass(10);
  expect(second.map(({ code }) => code)).toEqual(['dropped', 'waits', 'waits']);

  const short = meet({ before: nobody, queue: { length: 300 } });
  const third = ['x', 'y'.repeat(300)].map((data) => outcome(short.client.channel('a').publish(data)));
  await short.clock.pass(10);
  expect(third.map(({ code }) => code)).toEqual(['waits', 'queue_full']);
});

test('what is published is what it was when publish was called', async () => {
  const { clock, network, client } = meet({ before: nobody });
  const data = { price: 1 };
  void client.channel('a').publish(data);
  await clock.pass(10);
  data.price = 2;
  network.weather.websocket = 'passes';
  client.wake();
  await clock.pass(5_000);
  expect(network.commands[0]!.data).toEqual({ price: 1 });
});

test('bytes arrive as bytes, and text as text', async () => {
  const { clock, network, client } = meet();
  const heard: unknown[] = [];
  client.channel('a').on('message', ({ data }) => heard.push(data));
  await clock.pass(100);
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i);
  const sent = ['', 'é\u2028"', null, [1], bytes, bytes.buffer, new Uint8Array(bytes.buffer, 1, 2)];
  for (const data of sent) void client.channel<unknown>('a').publish(data);
  await clock.pass(100);
  expect(heard).toEqual(['', 'é\u2028"', null, [1], bytes, bytes, Uint8Array.of(1, 2)]);
  await expect(client.channel('a').publish(undefined)).rejects.toThrow('undefined cannot be sent');
  expect(network.commands.length).toBe(sent.length + 1);
});

test('a signal ends the waiting', async () => {
  const { clock, client } = meet({ before: nobody });
  const stop = new AbortController();
  const seen = client.channel('a').publish(1, { signal: stop.signal });
  await clock.pass(10);
  stop.abort(new Error('enough'));
  await expect(seen).rejects.toThrow('enough');
  expect(client.waiting).toBe(0);
  await expect(client.call('echo', 1, { signal: stop.signal })).rejects.toThrow('enough');
});

test('history comes as messages', async () => {
  const { clock, network, client } = meet();
  network.publish('a', 1);
  const history = client.channel('a').history({ limit: 10 });
  await clock.pass(100);
  expect(await history).toMatchObject({ messages: [{ type: 'message', data: 1, offset: 1 }], cursor: 'aaaaaaaa-1', more: false });
});
