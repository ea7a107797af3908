// Tests of the chat's conversation with a simulated line and clock, and of what it shows. Run by go test, or by: node --test web/plain/conversation_test.mjs

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { readFile } from 'node:fs/promises';

// The files are modules for browsers; Node takes them for such when told so.
async function load(file) {
  const source = await readFile(new URL(file, import.meta.url), 'utf8');
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
const { Conversation } = await load('chat/conversation.js');
const { looksOf } = await load('chat/message.js');
const { ways } = await load('chat/elsewhere.js');

// A line that the test opens and loses, with what was sent on it since it was last open.
class FakeLine extends EventTarget {
  state = 'connecting';
  sent = [];
  gaveUp = '';
  callBack = 0;

  send(text) {
    assert.equal(this.state, 'open', `sent on a line that is ${this.state}: ${text}`);
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.become('closed');
  }

  giveUp(reason) {
    this.gaveUp = reason;
    this.become('waiting');
  }

  callBackAfter(ms) {
    this.callBack = ms;
  }

  become(state) {
    this.state = state;
    if (state === 'open') this.sent = [];
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }

  says(message) {
    this.dispatchEvent(new CustomEvent('message', { detail: JSON.stringify(message) }));
  }

  /** Answers the latest command of a type. */
  answers(type, fields, as = type) {
    const command = this.sent.findLast((command) => command.type === type);
    assert.ok(command, `nothing of the type ${type} in ${JSON.stringify(this.sent)}`);
    this.says({ type: as, id: command.id, ...fields });
  }
}

let line, conversation, said;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date'] });
  line = new FakeLine();
  conversation = new Conversation(line, 'lobby');
  said = [];
  for (const type of ['history', 'message', 'settled', 'refused', 'gap', 'people', 'over']) {
    conversation.addEventListener(type, ({ detail }) => said.push([type, detail]));
  }
});

const commands = () => line.sent.map(({ id, ...command }) => command);
const heard = (type) => said.filter(([what]) => what === type).map(([, detail]) => detail);
const message = (offset, data, user) => ({ type: 'message', channel: 'lobby', data, offset, cursor: `e-${offset}`, time: '2026-01-02T15:04:05.678Z', user });

// Opens the line, up to the subscription, with what history holds.
function join(messages = [], cursor = 'e-0', recovered) {
  line.become('open');
  line.says({ type: 'welcome', protocol: 1, session: 's', user: 'ann' });
  line.answers('history', { messages, cursor, recovered });
  line.answers('subscribe', { offset: 0, cursor, recovered: true }, 'subscribed');
}

test('it shows the newest, and subscribes after them', () => {
  line.become('open');
  assert.deepEqual(commands(), [{ type: 'history', channel: 'lobby', limit: 50 }]);
  line.answers('history', { messages: [message(7, 'hi', 'bob')], cursor: 'e-7' });
  assert.deepEqual(commands().at(-1), { type: 'subscribe', channel: 'lobby', presence: true, cursor: 'e-7' });
  line.answers('subscribe', { offset: 7, cursor: 'e-7', recovered: true }, 'subscribed');
  line.says(message(8, 'there', 'bob'));
  assert.deepEqual(said.map(([type]) => type), ['history', 'message']);
  assert.equal(heard('history')[0].first, true);
});

test('it subscribes where no history is kept', () => {
  line.become('open');
  line.answers('history', { code: 'no_history', message: 'none' }, 'error');
  assert.deepEqual(commands().at(-1), { type: 'subscribe', channel: 'lobby', presence: true });
  line.answers('subscribe', { offset: 3, cursor: 'e-3' }, 'subscribed');
  line.become('waiting');
  line.become('open');
  assert.equal(line.sent[0].cursor, 'e-3');
});

test('it goes on after the last message it has seen', () => {
  join();
  line.says(message(1, 'one', 'bob'));
  line.says({ type: 'gap', channel: 'lobby', from: 2, to: 4, cursor: 'e-4' });
  line.become('waiting');
  line.become('open');
  assert.deepEqual(commands(), [{ type: 'history', channel: 'lobby', cursor: 'e-4' }]);
  line.answers('history', { messages: [message(5, 'five', 'bob')], cursor: 'e-5', recovered: true });
  assert.equal(line.sent.at(-1).cursor, 'e-5');
  assert.equal(heard('history').at(-1).first, false);
  assert.deepEqual(heard('gap'), [{ from: 2, to: 4 }]);
});

test('it tells that something may be missing, before what came after', () => {
  join();
  line.become('waiting');
  said.length = 0;
  join([message(1, 'of another epoch', 'bob')], 'f-1', false);
  assert.deepEqual(said.map(([type]) => type), ['gap', 'history']);
  assert.deepEqual(heard('gap'), [{}]);
  line.become('waiting');
  line.become('open');
  line.answers('history', { messages: [], cursor: 'f-1', recovered: true });
  line.answers('subscribe', { offset: 0, cursor: 'g-0', recovered: false }, 'subscribed');
  assert.equal(heard('gap').length, 2);
});

test('what is said while there is no line waits, and goes out once subscribed', () => {
  conversation.say('first');
  line.become('open');
  conversation.say('second');
  assert.deepEqual(commands().filter(({ type }) => type === 'publish'), []);
  join();
  const published = commands().filter(({ type }) => type === 'publish');
  assert.deepEqual(published.map(({ data }) => data), ['first', 'second']);
  assert.equal(new Set(published.map((command) => command.idempotency_key)).size, 2);
});

test('what has no answer is sent again under the same key', () => {
  join();
  const key = conversation.say('hello');
  line.become('waiting');
  join([], 'e-0', true);
  const again = line.sent.find(({ type }) => type === 'publish');
  assert.equal(again.idempotency_key, key);
  line.answers('publish', { offset: 1, cursor: 'e-1', time: 'then', duplicate: true }, 'published');
  assert.deepEqual(heard('settled'), [{ key, cursor: 'e-1', time: 'then' }]);
  line.become('waiting');
  join([], 'e-1', true);
  assert.equal(line.sent.some(({ type }) => type === 'publish'), false);
});

test('what came back is not sent again', () => {
  join();
  const key = conversation.say('hello');
  line.says(message(1, 'hello', 'bob')); // says the same, and is somebody else
  line.says(message(2, 'hello', 'ann'));
  assert.deepEqual(heard('message').map((m) => m.key), [undefined, key]);
  line.become('waiting');
  join([], 'e-2', true);
  assert.equal(line.sent.some(({ type }) => type === 'publish'), false);
  assert.equal(conversation.waiting, 0);
});

test('what was missed and is ours is recognized', () => {
  join();
  const key = conversation.say('hello');
  line.become('waiting');
  join([message(1, 'hello', 'ann')], 'e-1', true);
  assert.equal(heard('history').at(-1).messages[0].key, key);
});

test('what was never sent is not recognized', () => {
  conversation.say('hello');
  join([message(1, 'hello', 'ann')], 'e-1');
  assert.equal(heard('history')[0].messages[0].key, undefined);
  assert.equal(line.sent.filter(({ type }) => type === 'publish').length, 1);
});

test('a refusal is told, and the conversation goes on', () => {
  join();
  const key = conversation.say('hello');
  line.answers('publish', { code: 'not_allowed', message: 'only the server may' }, 'error');
  assert.deepEqual(heard('refused'), [{ key, why: 'only the server may' }]);
  assert.equal(line.state, 'open');
});

test('what another attempt may mend is tried again', () => {
  join();
  conversation.say('hello');
  line.answers('publish', { code: 'unavailable', message: 'the broker is away' }, 'error');
  assert.equal(line.gaveUp, 'the broker is away');
  assert.equal(conversation.waiting, 1);
});

test('what no attempt can mend ends the conversation', () => {
  const key = conversation.say('hello');
  line.become('open');
  line.answers('history', { code: 'bad_channel', message: 'choose another' }, 'error');
  assert.deepEqual(said, [['refused', { key, why: 'choose another' }], ['over', { why: 'choose another' }]]);
  assert.equal(line.state, 'closed');
});

test('the server says goodbye for a while, or for good', () => {
  join();
  line.says({ type: 'disconnect', code: 'shutting_down', message: 'back soon', reconnect: true, retry_after: 1.5 });
  assert.equal(line.callBack, 1500);
  assert.deepEqual(heard('over'), []);
  line.says({ type: 'disconnect', code: 'not_allowed', message: 'go away', reconnect: false });
  assert.deepEqual(heard('over'), [{ why: 'go away' }]);
});

test('a line that does not answer is given up, a quiet one is tried', () => {
  join();
  line.answers('presence', { members: [], sessions: 0, users: 0 });
  mock.timers.tick(20_001);
  conversation.check();
  assert.equal(line.sent.at(-1).type, 'ping');
  line.answers('ping', {}, 'pong');
  mock.timers.tick(8_001);
  conversation.check();
  assert.equal(line.gaveUp, '');
  conversation.say('hello');
  mock.timers.tick(8_001);
  conversation.check();
  assert.equal(line.gaveUp, 'the server does not answer');
});

test('it knows who is here', () => {
  join();
  const last = () => heard('people').at(-1);
  line.answers('presence', { members: [{ session: '1', user: 'ann' }, { session: '2' }], sessions: 2, users: 2 });
  assert.deepEqual(last(), { count: 2, names: ['ann'] });
  line.says({ type: 'presence', channel: 'lobby', joined: { session: '3', user: 'bob' }, sessions: 3, users: 3 });
  assert.deepEqual(last(), { count: 3, names: ['ann', 'bob'] });
  line.says({ type: 'presence', channel: 'lobby', left: { session: '2' }, sessions: 2, users: 2 });
  assert.deepEqual(last(), { count: 2, names: ['ann', 'bob'] });
  line.says({ type: 'presence', channel: 'lobby', sessions: 900, users: 900 });
  assert.deepEqual(last(), { count: 900, names: [] });
});

test('a conversation that was left hears nothing', () => {
  join();
  conversation.leave();
  line.says(message(1, 'late', 'bob'));
  line.become('open');
  assert.deepEqual(heard('message'), []);
  assert.deepEqual(line.sent, []);
});

test('every kind of message has its looks', () => {
  const time = '2026-01-02T15:04:05.678Z';
  for (const [sent, want] of [
    [{ data: 'hi', user: 'ann' }, { author: 'ann', labels: [], kind: 'text', text: 'hi' }],
    [{ data: '', event: 'price', key: 'AAPL' }, { author: '', labels: ['price', 'AAPL'], kind: 'text', text: '' }],
    [{ data: { a: [1] } }, { author: '', labels: ['JSON'], kind: 'json', text: '{\n  "a": [\n    1\n  ]\n}' }],
    [{ data: null }, { author: '', labels: ['JSON'], kind: 'json', text: 'null' }],
    [{ data: 'AAH/', encoding: 'base64' }, { author: '', labels: ['3 bytes'], kind: 'binary', text: '00 01 ff' }],
  ]) {
    assert.deepEqual(looksOf({ ...sent, time }), { ...want, at: Date.parse(time) });
  }
  assert.match(looksOf({ data: btoa('x'.repeat(100)), encoding: 'base64' }).text, /^(78 ){64}…$/);
});

test('the lines to copy stand quotes, spaces and dashes', () => {
  const odd = ways('http://localhost:8000', `it's a "b"`);
  assert.equal(odd['curl-post'], 'curl -d hello http://localhost:8000/channels/it%27s%20a%20%22b%22');
  assert.equal(odd['curl-poll'], `curl 'http://localhost:8000/channels/it%27s%20a%20%22b%22?wait=30s'`);
  assert.equal(odd['cli-subscribe'], `ringdown subscribe 'it'\\''s a "b"'`);
  assert.equal(odd['js-socket'], `new WebSocket('ws://localhost:8000/channels/it%27s%20a%20%22b%22').onmessage = (e) => console.log(e.data)`);
  assert.equal(ways('https://example.com', '--news')['cli-publish'], 'ringdown publish --url https://example.com -- --news hello');
});
