// Notifications: an inbox for each name, which is a channel. Listening takes EventSource, sending takes fetch.

import { showCode } from '../../look/code.ts';
import source from './main.ts?raw';

interface Notification {
  kind: 'info' | 'success' | 'warning' | 'gap';
  text: string;
  at: number; // Unix time in ms
  read: boolean;
}

const kept = 50; // of an inbox
const shown = 6_000; // ms of a toast
const crowd = 5; // toasts at once
const longest = 500; // characters of a text
const patience = 3_000; // ms after which a stream that the server refused is asked for again

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const me = $<HTMLInputElement>('me');
const title = document.title;
let inbox: Notification[] = [];
let stream: EventSource | undefined;

/** Listens to an inbox: from where this browser was last time, or with what the server still has. */
async function listen(name: string): Promise<void> {
  stream?.close();
  inbox = JSON.parse(localStorage.getItem(`inbox ${name}`) ?? '[]');
  show();
  if (!localStorage.getItem(`cursor ${name}`)) await ask(name).catch(() => {}); // then it begins now
  if (name !== me.value) return;
  const cursor = localStorage.getItem(`cursor ${name}`);
  const events = new EventSource(`${channelOf(name)}?format=json${cursor ? `&after=${cursor}` : ''}`);
  stream = events;
  events.onopen = () => state('open');
  events.onerror = () => {
    state('waiting');
    if (events.readyState !== EventSource.CLOSED) return; // it comes back by itself, and hands in its last id
    setTimeout(() => events === stream && listen(name), patience);
  };
  events.onmessage = (event: MessageEvent<string>) => take(name, JSON.parse(event.data).data, event.lastEventId);
  events.addEventListener('gap', ({ lastEventId }) => take(name, { kind: 'gap', text: 'Something may be missing here.' }, lastEventId));
}

/** Asks once for what the server has of an inbox, and where it is now. */
async function ask(name: string): Promise<void> {
  const { messages, cursor } = await (await fetch(channelOf(name))).json();
  if (name !== me.value) return;
  for (const message of messages) take(name, message.data, message.cursor);
  localStorage.setItem(`cursor ${name}`, cursor);
}

/** Takes what was published. Anybody may publish here, and anything. */
function take(name: string, data: Partial<Notification> | null, cursor: string): void {
  const notification = { kind: data?.kind ?? 'info', text: String(data?.text ?? '').slice(0, longest) };
  inbox = [{ ...notification, at: Date.now(), read: false }, ...inbox].slice(0, kept);
  localStorage.setItem(`cursor ${name}`, cursor);
  localStorage.setItem(`inbox ${name}`, JSON.stringify(inbox));
  toast(notification);
  show();
}

async function send(name: string, kind: string, text: string): Promise<string> {
  const body = JSON.stringify({ kind, text });
  const answer = await fetch(channelOf(name), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const receipt = await answer.json();
  if (!answer.ok) throw new Error(receipt.detail);
  return receipt.subscribers ? `Sent to ${receipt.subscribers} open pages.` : 'Nobody is there; it waits on the server.';
}

function channelOf(name: string): string {
  return `/channels/${encodeURIComponent(`inbox:${name}`)}`;
}

function show(): void {
  const unread = inbox.filter(({ read }) => !read).length;
  $('badge').textContent = String(unread);
  document.title = unread ? `(${unread}) ${title}` : title;
  $('inbox').replaceChildren(...inbox.map(({ kind, text, at, read }) => {
    const time = document.createElement('time');
    time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const li = item(kind, text, time);
    li.classList.toggle('unread', !read);
    return li;
  }));
}

/** Shows a notification for a moment. It takes no permission, because it is a part of the page. */
function toast({ kind, text }: Pick<Notification, 'kind' | 'text'>): void {
  const close = document.createElement('button');
  close.type = 'button';
  close.ariaLabel = 'Close';
  close.textContent = '×';
  const li = item(kind, text, close);
  close.addEventListener('click', () => li.remove());
  setTimeout(() => li.remove(), shown);
  $('toasts').append(li);
  if ($('toasts').children.length > crowd) $('toasts').firstElementChild!.remove();
}

function item(kind: string, text: string, after: Element): HTMLLIElement {
  const li = document.createElement('li');
  const p = document.createElement('p');
  p.textContent = text;
  li.className = kind;
  li.append(p, after);
  return li;
}

function state(word: string): void {
  $('state').dataset.state = $('state').textContent = word;
}

$('send').addEventListener('submit', async (event) => {
  event.preventDefault();
  const [to, kind, text] = ['to', 'kind', 'text'].map((id) => $<HTMLInputElement>(id).value) as [string, string, string];
  $('sent').textContent = await send(to, kind, text).catch((error: Error) => `Not sent: ${error.message}`);
});
$('read').addEventListener('click', () => {
  for (const notification of inbox) notification.read = true;
  localStorage.setItem(`inbox ${me.value}`, JSON.stringify(inbox));
  show();
});
me.addEventListener('change', () => {
  localStorage.setItem('me', me.value);
  void listen(me.value);
});

me.value = $<HTMLInputElement>('to').value = localStorage.getItem('me') ?? 'you';
void listen(me.value);
showCode({ 'main.ts': source });
