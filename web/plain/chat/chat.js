// The chat: the page's controls, the conversation in the channel, and what shows it.
//
// What is said here is pending until the server has published it. While there is no line it waits.

import { problemWith } from './channel.js';
import { Conversation } from './conversation.js';
import { inPath, ways } from './elsewhere.js';
import { Line } from './line.js';
import { Log } from './log.js';
import { People } from './people.js';
import { whyRefused } from './refusal.js';

const mostPending = 100; // messages waiting for the line

const $ = (id) => document.getElementById(id);
const log = new Log({ list: $('log'), scroll: $('scroll'), latest: $('latest'), nothingYet: $('nothing-yet') });
const people = new People({ box: $('people'), line: $('people-line'), list: $('people-list') });

let channel = '';
let line = new Line('');
let conversation = new Conversation(line, '');
let hopeless = false; // the server does not want this conversation
const pending = new Map(); // key → its entry in the log

// --- the channel ----------------------------------------------------------------------------------------------------

function channelOfPage() {
  const inHash = location.hash.slice(1);
  try {
    if (inHash) return decodeURIComponent(inHash);
  } catch {
    return inHash; // a stray percent sign
  }
  return new URLSearchParams(location.search).get('channel') || 'lobby';
}

function join(name) {
  if (name === channel) return;
  conversation.leave();
  line.close();
  channel = name;
  hopeless = false;
  log.clear();
  people.show(null);
  if (pending.size > 0) log.note(`Left the other channel with ${pending.size} unsent.`);
  pending.clear();
  $('channel').value = name;
  for (const link of document.querySelectorAll('.second-tab')) link.href = `/plain#${inPath(name)}`;
  for (const link of document.querySelectorAll('.everyone')) link.href = `/everyone#${inPath(name)}`;
  for (const [id, text] of Object.entries(ways(location.origin, name))) $(id).textContent = text;

  line = new Line(address());
  line.addEventListener('state', () => showState());
  line.addEventListener('lost', ({ detail }) => detail.reason && log.note(`The line was closed: ${detail.reason} (${detail.code}).`));
  explainFirstRefusal(line);
  conversation = new Conversation(line, name);
  show(conversation);
  line.open();
}

function address() {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/connect?user=${encodeURIComponent(user)}`;
}

// If the line is lost before it was ever open, says why.
function explainFirstRefusal(line) {
  const decided = new AbortController();
  line.addEventListener('state', () => line.state === 'open' && decided.abort(), { signal: decided.signal });
  line.addEventListener('lost', async () => {
    decided.abort();
    const refusal = await whyRefused(channel, user);
    if (refusal && line.state !== 'open' && line.state !== 'closed') log.note(`The server says: ${refusal.sentence}`);
  }, { signal: decided.signal });
}

$('channel-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('channel').value.trim();
  const problem = problemWith(name);
  hint(problem);
  if (problem) return;
  location.hash = inPath(name);
  $('text').focus();
});
$('channel').addEventListener('blur', () => ($('channel').value = channel));
addEventListener('hashchange', () => join(channelOfPage()));

// --- the conversation -----------------------------------------------------------------------------------------------

function show(conversation) {
  const on = (type, handle) => conversation.addEventListener(type, ({ detail }) => handle(detail));
  on('history', ({ messages, first }) => {
    if (first) log.before(messages, (message) => conversation.isMine(message));
    else messages.forEach(receive);
    log.inviting = true;
  });
  on('message', receive);
  on('settled', ({ key, ...message }) => settle(key, message));
  on('refused', ({ key, why }) => {
    if (pending.has(key)) log.refused(pending.get(key), why);
    pending.delete(key);
  });
  on('gap', (gap) => log.gap(gap));
  on('people', (present) => people.show(present));
  on('over', ({ why }) => {
    hopeless = true;
    people.show(null);
    log.note(`The server says: ${why}`);
  });
}

function receive(message) {
  if (pending.has(message.key)) settle(message.key, message);
  else log.said(message, conversation.isMine(message));
}

function settle(key, message) {
  if (pending.has(key)) log.settled(pending.get(key), message);
  pending.delete(key);
}

setInterval(() => conversation.check(), 1000);

// --- the line -------------------------------------------------------------------------------------------------------

let countdown = 0;

function showState() {
  clearInterval(countdown);
  if (line.state === 'waiting') countdown = setInterval(writeState, 500);
  if (line.state !== 'open') log.inviting = false;
  writeState();
  $('announcement').textContent = { open: 'Connected.', waiting: 'The line is lost; trying again.', closed: 'There is no line.' }[line.state] ?? '';
  if (line.state === 'open') hint('');
}

function writeState() {
  const seconds = Math.max(0, Math.ceil((line.retryAt - Date.now()) / 1000));
  $('state').dataset.state = line.state;
  $('state').textContent = line.state === 'waiting' ? `waiting ${seconds} s to retry` : line.state;
}

addEventListener('online', () => line.retryNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') line.retryNow();
});
addEventListener('pagehide', () => line.close()); // a page with an open line cannot be kept for the back button
addEventListener('pageshow', (event) => {
  if (event.persisted && !hopeless) line.open();
});

// --- saying ---------------------------------------------------------------------------------------------------------

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  $('text').focus();
  if (!text) return;
  if (hopeless) {
    hint('Choose another channel; this one cannot be joined.');
    return;
  }
  if (pending.size >= mostPending) {
    hint(`${mostPending} messages are waiting for the line; wait until it is back.`);
    return;
  }
  hint(line.state === 'open' ? '' : 'Kept until the line is back.');
  $('text').value = '';
  const key = conversation.say(text);
  pending.set(key, log.pending(key, user, text));
  if (line.state === 'waiting') line.retryNow();
});

$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
});

function hint(text) {
  $('hint').textContent = text;
}

// --- the name -------------------------------------------------------------------------------------------------------

// In dev mode a client may say who it is, when it connects. The name is the tab's own, so that two tabs are two people.

let user = stored() || `guest ${100 + Math.floor(Math.random() * 900)}`;

$('name').addEventListener('change', () => {
  const wanted = $('name').value.trim();
  const problem = wanted && problemWith(wanted);
  hint(problem);
  if (wanted && !problem) user = wanted;
  $('name').value = user;
  store(user);
  line.moveTo(address());
});
$('name').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  $('text').focus();
});

// Storage may be forbidden; then the name lives as long as the page.
function store(name) {
  try {
    sessionStorage.setItem('ringdown.name', name);
  } catch {}
}

function stored() {
  try {
    return sessionStorage.getItem('ringdown.name');
  } catch {
    return null;
  }
}

// --- joining from elsewhere -----------------------------------------------------------------------------------------

for (const button of document.querySelectorAll('.copy')) button.addEventListener('click', () => copy(button));

async function copy(button) {
  const code = button.parentElement.querySelector('code');
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  $('announcement').textContent = `${button.textContent}.`;
  setTimeout(() => (button.textContent = 'Copy'), 2000);
}

const wide = matchMedia('(min-width: 60rem)');
wide.addEventListener('change', () => ($('join').open = wide.matches));
$('join').open = wide.matches;

// --- start ----------------------------------------------------------------------------------------------------------

$('name').value = user;
store(user);
join(channelOfPage());
if (matchMedia('(hover: hover)').matches) $('text').focus({ preventScroll: true }); // on a phone it would raise the keyboard
