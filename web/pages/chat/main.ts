// The chat: a client, a room for each channel that was entered, and the one that is looked at.

import { Client } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { named } from '../../look/hash.ts';
import { lamp } from '../../look/lamp.ts';
import { Room, type Entry } from './room.ts';
import mainSource from './main.ts?raw';
import roomSource from './room.ts?raw';

const pace = 30; // ms between two pictures, however much is said

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const log = $('log');
const nameField = $<HTMLInputElement>('name');

nameField.value = sessionStorage.getItem('name') ?? nameless();
let { client, rooms, leave } = begin(nameField.value);
let current = enter(named('lobby'));
let shown: Room | undefined; // the room whose entries stand in the log
let timer: ReturnType<typeof setTimeout> | undefined;

function nameless(): string {
  return `Guest ${Math.floor(Math.random() * 900) + 100}`;
}

/** Begins anew under a name: the server learns it with the connection. */
function begin(name: string) {
  sessionStorage.setItem('name', name);
  const client = new Client(`/?user=${encodeURIComponent(name)}`);
  const rooms = new Map<string, Room>();
  return { client, rooms, leave: lamp(client) };
}

function enter(name: string): Room {
  for (const each of new Set(['lobby', 'random', name])) {
    if (!rooms.has(each)) rooms.set(each, new Room(client, each, changed));
  }
  return rooms.get(name)!;
}

function changed(): void {
  timer ??= setTimeout(show, pace);
}

function show(): void {
  clearTimeout(timer);
  timer = undefined;
  current.unread = 0;
  showRooms();
  const { people, nameless } = current;
  const all = [...people, ...(nameless > 0 ? [`${nameless} without a name`] : [])];
  $('people').textContent = all.length ? `Here: ${all.join(', ')}` : '';

  const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  if (shown !== current) log.replaceChildren(); // ids are those of one room
  shown = current;
  const before = new Map([...log.children].map((li) => [(li as HTMLElement).dataset.id, li]));
  const wanted = current.entries.map((entry) => {
    const li = before.get(entry.id);
    return li?.classList.contains(entry.kind) ? li : item(entry);
  });
  // What stays is not touched, or screen readers would read it again.
  const stays = new Set(wanted);
  for (const li of before.values()) if (!stays.has(li)) li.remove();
  let at = log.firstElementChild;
  for (const li of wanted) {
    if (li === at) at = li.nextElementSibling;
    else log.insertBefore(li, at);
  }
  if (follow) log.scrollTop = log.scrollHeight;
}

function item(entry: Entry): HTMLLIElement {
  const li = document.createElement('li');
  li.dataset.id = entry.id;
  li.className = entry.kind;
  if (entry.kind === 'gap') {
    li.textContent = entry.text;
    return li;
  }
  const who = document.createElement('b');
  const text = document.createElement('p');
  const time = document.createElement('time');
  who.textContent = entry.kind === 'message' ? entry.user || 'nobody' : nameField.value;
  text.textContent = entry.text;
  text.dir = 'auto';
  li.classList.toggle('own', who.textContent === nameField.value);
  if (entry.kind === 'message') {
    time.dateTime = entry.time;
    time.textContent = new Date(entry.time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  } else {
    time.textContent = entry.kind === 'pending' ? '…' : `not sent: ${entry.why}`;
  }
  li.append(who, text, time);
  return li;
}

function showRooms(): void {
  $('rooms').replaceChildren(...[...rooms.values()].map((room) => {
    const link = document.createElement('a');
    link.href = `#${encodeURIComponent(room.name)}`;
    link.textContent = room.name;
    if (room === current) link.ariaCurrent = 'page';
    if (room.unread) {
      const unread = document.createElement('span');
      unread.className = 'unread';
      unread.textContent = String(room.unread);
      link.append(unread);
    }
    const li = document.createElement('li');
    li.append(link);
    return li;
  }));
}

addEventListener('hashchange', () => {
  current = enter(named('lobby'));
  show();
  log.scrollTop = log.scrollHeight;
});

$('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent($<HTMLInputElement>('room').value.trim());
  $<HTMLInputElement>('room').value = '';
});

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $<HTMLInputElement>('text');
  void current.say(text.value);
  text.value = '';
  log.scrollTop = log.scrollHeight;
});

nameField.addEventListener('change', () => {
  nameField.value = nameField.value.replace(/[\p{C}\s]+/gu, ' ').trim() || nameless(); // as the server takes names
  const entered = [...rooms.keys()];
  leave();
  client.close();
  ({ client, rooms, leave } = begin(nameField.value));
  entered.forEach(enter);
  current = enter(named('lobby'));
  show();
});

show();
showCode({ 'main.ts': mainSource, 'room.ts': roomSource }, $('code'));
