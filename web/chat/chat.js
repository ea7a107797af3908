// The chat: the page's controls, the line to the channel, and the messages between them.
//
// A message is JSON text, { id, name, text, at }. It counts as said when it comes back from the server, as everybody
// receives it; until then it is pending. What was pending when the line was lost is sent again on the next one, and as
// every message has an id, who has seen it already does not see it twice.

import { problemWith, travels } from './channel.js';
import { Line } from './line.js';
import { Log } from './log.js';
import { whyRefused } from './refusal.js';

const mostPending = 100; // messages waiting for the line
const mostRemembered = 1000; // ids of messages seen
const answerTimeout = 8_000; // ms for a message to come back, before the line counts as dead
const longestName = 40; // characters
const refusedAll = 1008; // close code: nothing sent on this line is wanted
const refusedOne = 1009; // close code: a message was too big

const $ = (id) => document.getElementById(id);
const log = new Log({ list: $('log'), scroll: $('scroll'), latest: $('latest'), nothingYet: $('nothing-yet') });

let channel = '';
let line = new Line('');
let hopeless = false; // the server does not take this channel's name
const pending = new Map(); // id → { text: as sent, li: its entry, sentAt: 0 or when it went out on this line }
const seen = new Set(); // ids, oldest first
let rawCount = 0;

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

function inPath(name) {
  return encodeURIComponent(name).replace(/['()*!]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

function join(name) {
  if (name === channel) return;
  line.close();
  channel = name;
  log.clear();
  seen.clear();
  if (pending.size > 0) log.note(`Left the other channel with ${pending.size} unsent.`);
  pending.clear();

  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/channels/${inPath(name)}`;
  $('channel').value = name;
  $('connect').textContent = `ringdown connect ${address}`;
  $('address').textContent = address;
  for (const link of document.querySelectorAll('.second-tab')) link.href = `/#${inPath(name)}`;

  line = new Line(address);
  hopeless = !travels(name);
  line.addEventListener('state', () => showState());
  line.addEventListener('message', (event) => receive(event.detail));
  line.addEventListener('lost', (event) => lost(event.detail));
  explainFirstRefusal(line, address);
  if (hopeless) log.note(problemWith(name));
  else line.open();
  showState();
}

// If the line is lost before it was ever open, says why, and gives up if another attempt would change nothing.
function explainFirstRefusal(line, address) {
  const decided = new AbortController();
  line.addEventListener('state', () => line.state === 'open' && decided.abort(), { signal: decided.signal });
  line.addEventListener('lost', async () => {
    decided.abort();
    const refusal = await whyRefused(address);
    if (!refusal || line.state === 'open' || line.state === 'closed') return;
    log.note(`The server says: ${refusal.sentence}`);
    if (refusal.status !== 400) return;
    hopeless = true;
    line.close();
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

// --- the line -------------------------------------------------------------------------------------------------------

let countdown = 0;

function showState() {
  clearInterval(countdown);
  if (line.state === 'waiting') countdown = setInterval(writeState, 500);
  log.inviting = line.state === 'open';
  writeState();
  $('announcement').textContent = { open: 'Connected.', waiting: 'The line is lost; trying again.', closed: 'There is no line.' }[line.state] ?? '';
  if (line.state !== 'open') return;
  hint('');
  for (const id of pending.keys()) transmit(id);
}

function writeState() {
  const seconds = Math.max(0, Math.ceil((line.retryAt - Date.now()) / 1000));
  $('state').dataset.state = line.state;
  $('state').textContent = line.state === 'waiting' ? `waiting ${seconds} s to retry` : line.state;
}

function lost({ code, reason }) {
  if (reason) log.note(`The line was closed: ${reason} (${code}).`);
  for (const id of refusedBy(code)) {
    log.refused(pending.get(id).li, reason || 'the server refused it');
    pending.delete(id);
  }
  for (const message of pending.values()) message.sentAt = 0;
}

// Which pending messages a close code says not to send again.
function refusedBy(code) {
  const ids = [...pending.keys()];
  if (code === refusedAll) return ids;
  if (code === refusedOne) return ids.filter((id) => pending.get(id).sentAt).slice(0, 1); // those before it came back
  return [];
}

addEventListener('online', () => line.retryNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') line.retryNow();
});
addEventListener('pagehide', () => line.close()); // a page with an open line cannot be kept for the back button
addEventListener('pageshow', (event) => {
  if (event.persisted && !hopeless) line.open();
});

setInterval(() => {
  const overdue = Date.now() - answerTimeout;
  for (const { sentAt } of pending.values()) {
    if (sentAt && sentAt < overdue) return line.giveUp('what was sent did not come back');
  }
}, 1000);

// --- receiving ------------------------------------------------------------------------------------------------------

function receive(data) {
  const message = typeof data === 'string' ? parse(data) : null;
  if (!message) return log.raw(`raw-${++rawCount}`, data);
  if (seen.has(message.id)) return;
  remember(message.id);
  const own = pending.get(message.id);
  if (!own) return log.said(message);
  pending.delete(message.id);
  log.settled(own.li);
}

function parse(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isMessage = typeof value?.name === 'string' && typeof value.text === 'string' && typeof value.id === 'string';
  if (!isMessage || value.id.length > 100) return null;
  const at = Date.parse(value.at);
  return {
    id: value.id,
    name: value.name.trim().slice(0, longestName) || 'somebody',
    text: value.text,
    at: Math.abs(at - Date.now()) < 86_400_000 ? at : Date.now(), // a clock that is a day off is no clock
  };
}

function remember(id) {
  seen.add(id);
  if (seen.size > mostRemembered) seen.delete(seen.values().next().value);
}

// --- sending --------------------------------------------------------------------------------------------------------

function say(text) {
  const message = { id: newId(), name: nameOfUser(), text, at: new Date().toISOString() };
  const li = log.pending({ ...message, at: Date.now() });
  pending.set(message.id, { text: JSON.stringify(message), li, sentAt: 0 });
  transmit(message.id);
}

function transmit(id) {
  const message = pending.get(id);
  if (line.send(message.text)) message.sentAt = Date.now();
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

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
  say(text);
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

function nameOfUser() {
  return $('name').value.trim() || 'somebody';
}

$('name').addEventListener('input', () => store(nameOfUser()));
$('name').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  $('text').focus();
});

// Storage may be forbidden; then the name lives as long as the page.
function store(name) {
  try {
    localStorage.setItem('ringdown.name', name);
  } catch {}
}

function stored() {
  try {
    return localStorage.getItem('ringdown.name');
  } catch {
    return null;
  }
}

// --- joining from elsewhere -----------------------------------------------------------------------------------------

$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText($('connect').textContent);
    $('copy').textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren($('connect'));
    $('copy').textContent = 'Selected';
  }
  setTimeout(() => ($('copy').textContent = 'Copy'), 2000);
});

const wide = matchMedia('(min-width: 60rem)');
wide.addEventListener('change', () => ($('join').open = wide.matches));
$('join').open = wide.matches;

// --- start ----------------------------------------------------------------------------------------------------------

$('name').value = stored() || `guest ${100 + Math.floor(Math.random() * 900)}`;
join(channelOfPage());
if (matchMedia('(hover: hover)').matches) $('text').focus({ preventScroll: true }); // on a phone it would raise the keyboard
