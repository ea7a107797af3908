// Tests of the chat's line and of its refusals, with a simulated network and clock. Run by go test, or by: node --test web/plain/line_test.mjs

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { readFile } from 'node:fs/promises';

// The files are modules for browsers; Node takes them for such when told so.
async function load(file) {
  const source = await readFile(new URL(file, import.meta.url), 'utf8');
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
const { Line, backoff } = await load('chat/line.js');
const { whyRefused } = await load('chat/refusal.js');

// Every socket that was opened, oldest first. A test plays the server: it accepts, says and ends.
let sockets;

class FakeSocket {
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(text);
  }

  close() {
    this.closed = true;
  }

  accept() {
    this.onopen({});
  }

  say(data) {
    this.onmessage({ data });
  }

  end(code = 1006, reason = '') {
    this.onclose({ code, reason });
  }
}

beforeEach(() => {
  sockets = [];
  globalThis.WebSocket = FakeSocket;
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.restoreAll();
  mock.method(Math, 'random', () => 1); // the longest wait there is
});

// A line and what it says, as "event detail".
function newLine() {
  const line = new Line('ws://test/channels/lobby');
  const said = [];
  line.addEventListener('state', (e) => said.push(`state ${e.detail}`));
  line.addEventListener('message', (e) => said.push(`message ${e.detail}`));
  line.addEventListener('lost', (e) => said.push(`lost ${e.detail.code} ${e.detail.reason}`));
  return { line, said };
}

const latest = () => sockets.at(-1);

test('a line walks through its states', () => {
  const { line, said } = newLine();
  assert.equal(line.state, 'closed');
  line.open();
  line.open(); // opening an open line changes nothing
  latest().accept();
  latest().say('hello');
  latest().end(1012, 'back soon');
  mock.timers.tick(500);
  latest().accept();
  line.close();
  assert.equal(sockets.length, 2);
  assert.ok(latest().closed);
  assert.deepEqual(said, [
    'state connecting', 'state open', 'message hello', 'lost 1012 back soon', 'state waiting',
    'state connecting', 'state open', 'state closed',
  ]);
});

test('only an open line sends', () => {
  const { line } = newLine();
  assert.equal(line.send('closed'), false);
  line.open();
  assert.equal(line.send('connecting'), false);
  latest().accept();
  assert.equal(line.send('open'), true);
  assert.deepEqual(latest().sent, ['open']);
  latest().end();
  assert.equal(line.send('waiting'), false);
});

test('the bound on waits doubles up to 5 s', () => {
  const { line } = newLine();
  line.open();
  for (const wait of [500, 1000, 2000, 4000, 5000, 5000, 5000]) {
    const before = sockets.length;
    latest().end();
    assert.equal(line.retryAt - Date.now(), wait);
    mock.timers.tick(wait - 1);
    assert.equal(sockets.length, before, `retried before ${wait} ms`);
    mock.timers.tick(1);
    assert.equal(sockets.length, before + 1, `not retried after ${wait} ms`);
  }
});

test('waits are spread over everything up to their bound', () => {
  for (const attempt of [0, 3, 50, 1e9]) {
    assert.equal(backoff(attempt, () => 0), 0);
    assert.equal(backoff(attempt, () => 0.5), backoff(attempt, () => 1) / 2);
    assert.ok(backoff(attempt, () => 1) <= 5000);
  }
});

test('a line that was good for a while begins anew', () => {
  const { line } = newLine();
  line.open();
  latest().end();
  mock.timers.tick(500);
  latest().end();
  mock.timers.tick(1000);
  latest().accept();
  mock.timers.tick(5000);
  latest().end();
  assert.equal(line.retryAt - Date.now(), 500);
});

test('a line that is cut as soon as it opens is not retried faster and faster', () => {
  const { line } = newLine();
  line.open();
  const waits = [];
  for (let i = 0; i < 4; i++) {
    latest().accept();
    latest().end(1008, 'go away');
    waits.push(line.retryAt - Date.now());
    mock.timers.tick(waits.at(-1));
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
});

test('new hope ends the wait and forgets past failures', () => {
  const { line } = newLine();
  line.open();
  for (const wait of [500, 1000, 2000]) {
    latest().end();
    mock.timers.tick(wait);
  }
  latest().end();
  const before = sockets.length;
  line.retryNow();
  assert.equal(sockets.length, before + 1);
  assert.equal(line.state, 'connecting');
  latest().end();
  assert.equal(line.retryAt - Date.now(), 500);
});

test('new hope leaves a line alone that is open or closed', () => {
  const { line } = newLine();
  line.retryNow();
  assert.equal(sockets.length, 0);
  line.open();
  latest().accept();
  line.retryNow();
  assert.equal(sockets.length, 1);
  assert.equal(line.state, 'open');
});

test('the server may ask for a longer wait, and not for ever', () => {
  const { line } = newLine();
  line.open();
  for (const [asked, wait] of [[1_500, 1_500], [100, 500], [3_600_000, 5_000]]) {
    latest().accept();
    line.callBackAfter(asked);
    latest().end(1012, 'back soon');
    assert.equal(line.retryAt - Date.now(), wait);
    line.retryNow();
  }
});

test('a line that is wanted moves to another URL at once', () => {
  const { line, said } = newLine();
  line.moveTo('ws://test/a');
  assert.equal(sockets.length, 0);
  line.open();
  latest().accept();
  line.moveTo('ws://test/a');
  assert.equal(sockets.length, 1);
  line.moveTo('ws://test/b');
  assert.ok(sockets[0].closed);
  assert.deepEqual(sockets.map(({ url }) => url), ['ws://test/a', 'ws://test/b']);
  assert.deepEqual(said, ['state connecting', 'state open', 'state connecting']);
});

test('a handshake that takes too long is given up', () => {
  const { line, said } = newLine();
  line.open();
  mock.timers.tick(10_000);
  assert.equal(line.state, 'waiting');
  assert.ok(sockets[0].closed);
  assert.ok(said.includes('lost 1006 the server did not answer'));
});

test('what a socket says after it was given up is not heard', () => {
  const { line, said } = newLine();
  line.open();
  const first = latest();
  first.accept();
  line.giveUp('silence');
  assert.ok(first.closed);
  const heard = said.length;
  first.say('late');
  first.end(1000, 'late');
  first.accept();
  assert.equal(said.length, heard);
  assert.equal(line.state, 'waiting');
});

test('a closed line stays closed', () => {
  const { line } = newLine();
  line.open();
  latest().end();
  line.close();
  mock.timers.tick(60_000);
  line.giveUp('nothing to give up');
  assert.equal(sockets.length, 1);
  assert.equal(line.state, 'closed');
});

test('a poll tells why a channel cannot be joined', async () => {
  for (const [status, body, want] of [
    [400, '{"code":"bad_channel","detail":"the name is bad"}\n', { status: 400, sentence: 'the name is bad' }],
    [503, '{"code":"full","detail":"no room"}\n', { status: 503, sentence: 'no room' }],
    [429, '{"code":"rate_limited","detail":"too often"}\n', { status: 429, sentence: 'too often' }],
    [503, '', null],
    [503, '<h1>a proxy says this</h1>', null],
    [200, '{"messages":[],"cursor":""}\n', null],
  ]) {
    mock.method(globalThis, 'fetch', async (url) => {
      assert.equal(url, '/channels/the%20lobby?user=Ada');
      return new Response(body, { status });
    });
    assert.deepEqual(await whyRefused('the lobby', 'Ada'), want);
  }
  mock.method(globalThis, 'fetch', async () => Promise.reject(new TypeError('nobody there')));
  assert.equal(await whyRefused('the lobby', 'Ada'), null);
});
