// The transports at the wire: what a WebSocket and HTTP requests look like from outside, and what is made of their answers.

import { expect, test } from 'vitest';
import type { Heard } from '../src/protocol.js';
import { joined } from '../src/transports/cursor.js';
import { EventStream } from '../src/transports/event-stream.js';
import { longPolling } from '../src/transports/poll.js';
import { serverSentEvents } from '../src/transports/sse.js';
import type { Ending, Transport } from '../src/transports/transport.js';
import { batches, webSocket, type Socket } from '../src/transports/websocket.js';
import { TestClock } from './clock.js';

const ping = '{"type":"ping"}';
const subscribe = (channel: string, id: number, cursor?: string) => JSON.stringify({ type: 'subscribe', channel, id, cursor });

/** Opens a wire, and notes what is heard of it. */
function open(transport: Transport, first: string[], token?: string) {
  const heard: Heard[] = [];
  const endings: Ending[] = [];
  const wire = transport.open({ base: 'https://test', query: 'user=ann', token }, first, {
    accepted() {}, alive() {}, message: (message) => heard.push(message), ended: (ending) => endings.push(ending),
  });
  return { wire, heard, endings };
}

test("commands go together up to the server's bounds", () => {
  const many = Array.from({ length: 250 }, () => ping);
  expect(batches(many).map((text) => (JSON.parse(text) as unknown[]).length)).toEqual([100, 100, 50]);
  const large = 'x'.repeat(40 << 10);
  expect(batches([large, large, ping])).toEqual([large, `[${large},${ping}]`]);
  expect(batches(['x'.repeat(1 << 20), ping]).length).toBe(2);
  expect(batches([])).toEqual([]);
});

class FakeSocket implements Socket {
  static last: FakeSocket;
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onerror: Socket['onerror'] = null;
  onclose: Socket['onclose'] = null;
  sent: string[] = [];
  closed: (number | undefined)[] = [];
  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.last = this;
  }
  send(text: string) {
    this.sent.push(text);
  }
  close(code?: number) {
    this.closed.push(code);
  }
}

test('a WebSocket shows its token among the subprotocols, and begins with what it was given', () => {
  const { heard, endings, wire } = open(webSocket(FakeSocket), [ping, subscribe('a', 1)], 'abc');
  const socket = FakeSocket.last;
  expect([socket.url, socket.protocols]).toEqual(['wss://test/connect?user=ann', ['ringdown.v1.json', 'ringdown.token.abc']]);
  wire.send(['{}']); // not open yet
  socket.onopen!(undefined as never);
  expect(socket.sent).toEqual([`[${ping},${subscribe('a', 1)}]`]);
  socket.onmessage!({ data: '{"type":"pong"}' } as never);
  socket.onclose!({ code: 4402, reason: 'the token has expired' } as never);
  socket.onmessage!({ data: '{"type":"late"}' } as never);
  expect(heard).toEqual([{ type: 'pong' }]);
  expect(endings).toEqual([{ kind: 'lost', code: 'token_expired', message: 'the token has expired', close: 4402 }]);
});

test('what is not of the protocol ends a WebSocket', () => {
  for (const data of ['<html>', '1', 'null', new ArrayBuffer(1)]) {
    const { endings } = open(webSocket(FakeSocket), []);
    FakeSocket.last.onopen!(undefined as never);
    FakeSocket.last.onmessage!({ data } as never);
    expect(endings.map(({ kind }) => kind)).toEqual(['lost']);
    expect(FakeSocket.last.closed.length).toBe(1);
  }
});

test('event streams are read as the standard has it, in whatever pieces they come', () => {
  const text = ': hello\nretry: 10\n\nid: 1\n\nid:2\nevent: price\ndata: a\r\ndata:  b\ndata\nodd: x\n\ndata: c\n\nid: cut off';
  const want = [{ id: '1' }, { id: '2', event: 'price', data: 'a\n b\n' }, { data: 'c' }];
  for (const size of [1, 2, 3, 7, 1000]) {
    const stream = new EventStream();
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!;
    expect(pieces.flatMap((piece) => stream.take(piece))).toEqual(want);
  }
});

/** A server of HTTP: what it was asked, and its answers in order; a function makes a stream of the texts that it is given. */
function http(...answers: ((signal: AbortSignal) => Response | Promise<Response>)[]) {
  const asked: string[] = [];
  const fetch = async (url: string, init: RequestInit = {}) => {
    const { pathname, searchParams } = new URL(url);
    searchParams.delete('user');
    asked.push([init.method, pathname, decodeURIComponent(String(searchParams)), typeof init.body === 'string' ? init.body : ''].join(' ').trim());
    const answer = answers.shift();
    if (!answer) return new Promise<Response>((_, reject) => init.signal!.addEventListener('abort', () => reject(new Error('aborted'))));
    return answer(init.signal!);
  };
  return { fetch, asked };
}

const json = (body: unknown, status = 200, headers = {}) => () =>
  Response.json(body, { status, headers: { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json', ...headers } });
const ok = () => new Response(null, { headers: { 'Content-Type': 'application/json' } });
const html = () => new Response('<h1>Log in</h1>', { headers: { 'Content-Type': 'text/html; charset=utf-8' } });
const events = { headers: { 'Content-Type': 'text/event-stream' } };
const stream = (...pieces: string[]) => () =>
  new Response(new ReadableStream({ start: (to) => pieces.forEach((piece) => to.enqueue(new TextEncoder().encode(piece))) }), events);
/** A stream that goes on: what is to be said on it, and whether the client has left it. */
function openStream() {
  const bytes = new TransformStream<Uint8Array, Uint8Array>();
  const writer = bytes.writable.getWriter();
  const it = {
    left: false,
    say: (text: string) => void writer.write(new TextEncoder().encode(text)),
    end: () => void writer.close(),
    answer: (signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        it.left = true;
        writer.abort(new Error('aborted')).catch(() => {});
      });
      return new Response(bytes.readable, events);
    },
  };
  return it;
}
/** Lets all come to rest, streams included, which need more than promises. */
async function rest(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('an event stream tells of each channel that it has begun, then what comes', async () => {
  const { fetch, asked } = http(
    stream(
      'id: e-1.f-4\nevent: gap\ndata: {"channel":"b","from":0,"recovered":false}\n\n',
      'id: e-1.f-4\n\nid: e-2.f-4\ndata: {"channel":"a","data":1,"offset":2,"cursor":"e-2"}\n\n',
      'id: e-4.f-4\nevent: gap\ndata: {"channel":"a","from":3,"to":4}\n\n',
      'event: end\ndata: {"code":"shutting_down","message":"bye","retry_after":1.5}\n\n',
    ),
  );
  const { heard, endings } = open(serverSentEvents(fetch, new TestClock()), [ping, subscribe('a', 1, 'e-1'), subscribe('b', 2, 'old-9')]);
  await rest();
  expect(asked).toEqual(['GET /channels transport=sse&format=json&channel=a&channel=b&after=e-1.old-9']);
  expect(heard).toEqual([
    { type: 'welcome' },
    { type: 'pong' },
    { type: 'subscribed', channel: 'b', cursor: 'e-1.f-4', id: 2, recovered: false },
    { type: 'subscribed', channel: 'a', cursor: 'e-1.f-4', id: 1, recovered: true },
    { type: 'message', channel: 'a', data: 1, offset: 2, cursor: 'e-2' },
    { type: 'gap', channel: 'a', from: 3, to: 4, cursor: 'e-4.f-4' },
  ]);
  expect(endings).toEqual([{ kind: 'told', code: 'shutting_down', message: 'bye', retryAfter: 1500 }]);
});

test('a channel that is refused does not cost the others their stream', async () => {
  const no = json({ code: 'not_allowed', detail: 'no' }, 403);
  const { fetch, asked } = http(no, json({ messages: [], cursor: 'e-1' }), no, stream('id: e-1\n\n'));
  const { heard, endings } = open(serverSentEvents(fetch, new TestClock()), [ping, subscribe('a', 1), subscribe('b', 2)]);
  await rest();
  expect(asked.slice(1)).toEqual(['GET /channels/a limit=1', 'GET /channels/b limit=1', 'GET /channels transport=sse&format=json&channel=a']);
  expect(heard.slice(2)).toEqual([
    { type: 'error', id: 2, code: 'not_allowed', message: 'no' },
    { type: 'subscribed', channel: 'a', cursor: 'e-1', id: 1 },
  ]);
  expect(endings).toEqual([]);
});

test('a stream that passes nothing is given up', async () => {
  const clock = new TestClock();
  const { heard, endings } = open(serverSentEvents(http(stream()).fetch, clock), [ping, subscribe('a', 1)]);
  await rest();
  await clock.pass(8_100);
  expect([heard, endings.map(({ kind }) => kind)]).toEqual([[], ['silent']]);
});

test('polls enter each channel alone, then wait for all of them; gaps come at their place', async () => {
  const { fetch, asked } = http(
    json({ messages: [], cursor: 'e-1' }),
    json({ code: 'not_allowed', detail: 'no' }, 403),
    json({ messages: [{ data: 2, offset: 2, cursor: 'e-2' }, { data: 5, offset: 5, cursor: 'e-5' }], gaps: [{ from: 3, to: 4 }], cursor: 'e-5' }),
    json({ messages: [], cursor: 'e-9', recovered: false }),
    json({ messages: [], cursor: 'e-9', retry_after: 2 }),
  );
  const { heard, endings } = open(longPolling(fetch, new TestClock()), [ping, subscribe('a', 1), subscribe('b', 2)]);
  await rest();
  expect(asked.slice(0, 3)).toEqual([
    'GET /channels/a limit=1',
    'GET /channels/b limit=1',
    'GET /channels channel=a&after=e-1&wait=25000ms&limit=1000',
  ]);
  expect(heard.slice(2).map(({ type, data, from, to, code }) => [type, data ?? from ?? code, to])).toEqual([
    ['subscribed', undefined, undefined],
    ['error', 'not_allowed', undefined],
    ['message', 2, undefined],
    ['gap', 3, 4],
    ['message', 5, undefined],
    ['gap', 0, undefined],
  ]);
  expect(endings).toMatchObject([{ kind: 'told', code: 'shutting_down', retryAfter: 2000 }]);
});

test('publications are posted one after the other, and none after one that got no answer', async () => {
  const { fetch, asked } = http(
    ok,
    json({ offset: 1, cursor: 'e-1' }, 201),
    json({ code: 'too_large', detail: 'too large' }, 413),
    () => Promise.reject(new TypeError('the network is gone')),
  );
  const publish = (id: number, data: unknown, more = {}) => JSON.stringify({ type: 'publish', channel: 'a/b', id, data, ...more });
  const { wire, heard, endings } = open(serverSentEvents(fetch, new TestClock()), [ping]);
  await rest();
  wire.send([publish(1, 'text', { event: 'e', key: 'k', idempotency_key: 'i' }), publish(2, { a: 1 }), publish(3, 3), publish(4, 4)]);
  await rest();
  expect(asked).toEqual(['HEAD /channels/- limit=1', 'POST /channels/a%2Fb event=e&key=k text', 'POST /channels/a%2Fb  {"a":1}', 'POST /channels/a%2Fb  3']);
  expect(heard.slice(2)).toEqual([
    { type: 'published', id: 1, offset: 1, cursor: 'e-1' },
    { type: 'error', id: 2, code: 'too_large', message: 'too large' },
  ]);
  expect(endings.map(({ kind }) => kind)).toEqual(['lost']);
});

test.each([
  [json({ code: 'unauthorized', detail: 'who?' }, 401), { kind: 'told', code: 'unauthorized' }],
  [json({ code: 'full', detail: 'no room' }, 503, { 'Retry-After': '3' }), { kind: 'told', code: 'full', retryAfter: 3000 }],
  [() => new Response('<h1>a proxy says this</h1>', { status: 502 }), { kind: 'unreachable', status: 502 }],
])('a refusal of the whole line ends it: %#', async (answer, ending) => {
  const { endings } = open(longPolling(http(answer).fetch, new TestClock()), [ping, subscribe('a', 1)]);
  await rest();
  expect(endings).toMatchObject([ending]);
});

test('without a WebSocket some things cannot be asked, and say so', async () => {
  const { wire, heard } = open(longPolling(http().fetch, new TestClock()), [ping]);
  wire.send(['{"type":"call","id":1}', '{"type":"presence","id":2}']);
  expect(heard.map(({ id, code }) => [id, code])).toEqual([[1, 'needs_websocket'], [2, 'needs_websocket']]);
});

test('cursors are joined with one position for each channel: its own one, or else the furthest', () => {
  expect(joined(['', undefined, 'a-1'])).toBe('a-1');
  expect(joined(['a-1', 'a-5.b-3']), 'one channel begins where it wants to').toBe('a-1.b-3');
  expect(joined(['a-2', 'a-7'])).toBe('a-2');
  expect(joined(['a-1.b-5.c-3', 'b-9', 'a-1.b-7.c-10']).split('.').sort()).toEqual(['a-1', 'b-9', 'c-10']);
  const channels = Array.from({ length: 32 }, (_, i) => `numbered${i}-4503599627370496`);
  expect(joined(channels.map(() => channels.join('.'))).length, 'of idle channels').toBeLessThan(2 << 10);
  const many = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(8, 'x')}-${2 ** 52}.y-1`);
  expect(joined(many).length, 'what the server takes').toBeLessThan(8 << 10);
});

test('a channel that is joined again goes on where it was, and not where the others are', async () => {
  const first = openStream();
  const { fetch, asked } = http(first.answer);
  const { wire } = open(serverSentEvents(fetch, new TestClock()), [ping, subscribe('a', 1), subscribe('b', 2)]);
  await rest();
  first.say('id: a-7.b-3\n\n');
  await rest();
  wire.send(['{"type":"unsubscribe","channel":"a"}', subscribe('a', 3, 'a-5')]);
  await rest();
  expect(asked.at(-1)).toBe('GET /channels transport=sse&format=json&channel=b&channel=a&after=a-5.b-3');

  const polls = http(json({ cursor: 'a-7' }), json({ cursor: 'b-3' }), (signal) => new Promise((_, no) => signal.addEventListener('abort', no)), json({ cursor: 'a-5' }));
  const polled = open(longPolling(polls.fetch, new TestClock()), [ping, subscribe('a', 1), subscribe('b', 2)]);
  await rest();
  polled.wire.send(['{"type":"unsubscribe","channel":"a"}', subscribe('a', 3, 'a-5')]);
  await rest();
  expect(polls.asked.at(-1)).toBe('GET /channels channel=b&channel=a&after=a-5.b-3&wait=25000ms&limit=1000');
});

test('a stream is left when the one with other channels has begun, and what both tell counts for those that it was asked for', async () => {
  const [first, second] = [openStream(), openStream()];
  const { fetch, asked } = http(first.answer, second.answer);
  const { wire, heard, endings } = open(serverSentEvents(fetch, new TestClock()), [ping, subscribe('a', 1), subscribe('c', 2)]);
  await rest();
  first.say('id: a-1.c-1\n\n');
  await rest();
  heard.splice(0);
  wire.send([subscribe('b', 3), '{"type":"unsubscribe","channel":"c"}', subscribe('c', 4, 'c-1')]);
  await rest();
  expect([asked.length, first.left]).toEqual([2, false]);
  first.say('id: a-2.c-1\ndata: {"channel":"a","data":2,"offset":2,"cursor":"a-2"}\n\nid: a-2.c-2\ndata: {"channel":"c","data":2,"offset":2,"cursor":"c-2"}\n\n');
  await rest();
  expect(heard, 'c was left on this stream').toEqual([{ type: 'message', channel: 'a', data: 2, offset: 2, cursor: 'a-2' }]);
  second.say('id: a-2.b-1.c-1\n\n');
  await rest();
  expect(first.left).toBe(true);
  expect(heard.slice(1).map(({ type, channel }) => [type, channel])).toEqual([['subscribed', 'b'], ['subscribed', 'c']]);
  wire.send(['a', 'b', 'c'].map((channel) => JSON.stringify({ type: 'unsubscribe', channel })));
  await rest();
  expect([second.left, endings]).toEqual([true, []]);
});

test('what a stream cannot tell any more is no gap if the one before it has told it', async () => {
  const clock = new TestClock();
  const [first, second] = [openStream(), openStream()];
  const { wire, heard } = open(serverSentEvents(http(first.answer, second.answer).fetch, clock), [ping, subscribe('a', 1), subscribe('b', 2)]);
  await rest();
  first.say('id: a-1.b-1\n\n');
  await rest();
  wire.send([subscribe('c', 3)]);
  await rest();
  for (const channel of ['a', 'b']) second.say(`id: a-9.b-2.c-1\nevent: gap\ndata: {"channel":"${channel}","from":0,"recovered":false}\n\n`);
  await rest();
  first.say('id: a-10.b-1\ndata: {"channel":"a","data":10,"offset":10,"cursor":"a-10"}\n\n');
  await rest();
  await clock.pass(100);
  await rest();
  expect(heard.slice(4).map(({ type, channel }) => [type, channel])).toEqual([['message', 'a'], ['gap', 'b']]);
});

test('a stream whose token is renewed is followed by one with the new token, which begins no channel anew', async () => {
  const [first, second] = [openStream(), openStream()];
  const tokens: (string | null)[] = [];
  const { fetch } = http(first.answer, second.answer);
  const noted = (url: string, init: RequestInit = {}) => (tokens.push((init.headers as Headers).get('Authorization')), fetch(url, init));
  const { wire, heard, endings } = open(serverSentEvents(noted, new TestClock()), [ping, subscribe('a', 1)], 'old');
  await rest();
  first.say('id: a-1\n\n');
  await rest();
  wire.send(['{"type":"authenticate","token":"new"}']);
  await rest();
  second.say('id: a-1\n\n');
  await rest();
  expect([tokens, first.left, second.left, endings]).toEqual([['Bearer old', 'Bearer new'], true, false, []]);
  expect(heard.map(({ type }) => type)).toEqual(['welcome', 'pong', 'subscribed', 'authenticated']);
});

test('a stream that breaks while another one follows it ends nothing', async () => {
  const [first, second] = [openStream(), openStream()];
  const { wire, heard, endings } = open(serverSentEvents(http(first.answer, second.answer).fetch, new TestClock()), [ping, subscribe('a', 1)]);
  await rest();
  first.say('id: a-1\n\n');
  await rest();
  wire.send([subscribe('b', 2)]);
  await rest();
  first.end();
  await rest();
  second.say('id: a-1.b-1\n\n');
  await rest();
  expect([endings, heard.at(-1)?.channel]).toEqual([[], 'b']);
  second.end();
  await rest();
  expect(endings.map(({ kind }) => kind)).toEqual(['lost']);
});

test('a stream whose only channel is taken away has not broken', async () => {
  const only = openStream();
  const { heard, endings } = open(serverSentEvents(http(only.answer).fetch, new TestClock()), [ping, subscribe('a', 1)]);
  await rest();
  only.say('id: a-1\n\nevent: end\ndata: {"code":"not_allowed","message":"no more"}\n\n');
  only.end();
  await rest();
  expect([heard.at(-1), endings]).toEqual([{ type: 'unsubscribed', channel: 'a', reason: 'no more' }, []]);
});

test('a later stream that gets no answer is given up, too', async () => {
  const clock = new TestClock();
  const first = openStream();
  const { wire, endings } = open(serverSentEvents(http(first.answer).fetch, clock), [ping, subscribe('a', 1)]);
  await rest();
  first.say('id: a-1\n\n');
  await rest();
  wire.send([subscribe('b', 2)]);
  await rest();
  await clock.pass(10_100);
  expect(endings.map(({ kind }) => kind)).toEqual(['silent']);
});

test.each([
  ['a ping', serverSentEvents, [ping]],
  ['a stream', serverSentEvents, [ping, subscribe('a', 1)]],
  ['a poll', longPolling, [ping, subscribe('a', 1)]],
])("a page that answers in the server's place is no server: %s", async (_, transport, first) => {
  for (const answer of [html, () => new Response('Log in', { status: 403 })]) {
    const { heard, endings } = open(transport(http(answer).fetch, new TestClock()), first);
    await rest();
    expect([heard, endings]).toMatchObject([[], [{ kind: 'unreachable', status: expect.any(Number) }]]);
  }
});

test('a channel that may not be read is an answer to a ping all the same', async () => {
  const no = () => new Response(null, { status: 403, headers: { 'Content-Type': 'application/problem+json' } });
  const { heard } = open(longPolling(http(no).fetch, new TestClock()), [ping]);
  await rest();
  expect(heard.map(({ type }) => type)).toEqual(['welcome', 'pong']);
});

test('there is more of a history when its limit was reached, or the size of an answer', async () => {
  const answer = (...data: string[]) => json({ messages: data.map((data, i) => ({ data, offset: i + 1, cursor: `e-${i + 1}` })), cursor: 'e-2' });
  const { fetch } = http(ok, answer('x', 'y'), answer('x'.repeat(600_000), '\u00e9'.repeat(300_000)), answer('x', 'y'), answer('x', 'y'));
  const { wire, heard } = open(longPolling(fetch, new TestClock()), [ping]);
  await rest();
  for (const more of [{ cursor: 'e-0' }, { cursor: 'e-0' }, { cursor: 'e-0', limit: 2 }, { limit: 2 }]) {
    wire.send([JSON.stringify({ type: 'history', channel: 'a', id: 1, ...more })]);
    await rest();
  }
  expect(heard.slice(2).map(({ more }) => more)).toEqual([false, true, true, false]);
});
