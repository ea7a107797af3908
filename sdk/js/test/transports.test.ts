// The transports at the wire: what a WebSocket and HTTP requests look like from outside, and what is made of their answers.

import { expect, test } from 'vitest';
import type { Heard } from '../src/protocol.js';
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

const json = (body: unknown, status = 200, headers = {}) => () => Response.json(body, { status, headers });
const stream = (...pieces: string[]) => () =>
  new Response(new ReadableStream({ start: (to) => pieces.forEach((piece) => to.enqueue(new TextEncoder().encode(piece))) }));
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
    () => new Response(null),
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
