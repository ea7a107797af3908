// The cursors: where our pointer is goes out at most 20 times a second, where the others are comes in.

import { Client } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { lamp } from '../../look/lamp.ts';
import { Pointers, type Pointer } from './pointers.ts';
import mainSource from './main.ts?raw';
import pointersSource from './pointers.ts?raw';

const pace = 50; // ms between two messages
const step = 0.02; // of the field, by one press of an arrow key
const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const field = $('field');
const name = $<HTMLInputElement>('name');
name.value = sessionStorage.getItem('name') ?? `Guest ${Math.floor(Math.random() * 900) + 100}`;

const client = new Client('/');
const room = location.hash.slice(1) || 'all'; // another field: /cursors/#another
const channel = client.channel<Pointer>(`cursors:${room}`, { presence: true });
const id = Math.random().toString(36).slice(2);
const own: Pointer = { name: name.value, hue: Math.floor(Math.random() * 6), x: Math.random() * 0.6 + 0.2, y: Math.random() * 0.6 + 0.2, waves: 0, session: '' };
const pointers = new Pointers(field, id, (names) => ($('people').textContent = names.join(', ')));
const rates = { sent: 0, heard: 0 };
let timer: ReturnType<typeof setTimeout> | undefined;
let last = 0;

channel.on('message', ({ key, data, time }) => {
  rates.heard++;
  if (key && key !== id) pointers.show(key, data, Date.parse(time));
});
channel.on('presence', ({ left }) => left && pointers.leave((session) => session === left.session));
channel.on('subscribed', async () => {
  soon();
  const { members } = await channel.presence({ limit: 1000 }).catch(() => ({ members: [] })); // an event stream has none
  const here = new Set(members.map(({ session }) => session));
  if (here.size) pointers.leave((session) => session !== '' && !here.has(session));
});

/** Has our pointer sent, now or as soon as the pace allows. Without a line there is nothing to send: later it will be elsewhere. */
function soon(): void {
  pointers.show(id, own, Date.now());
  timer ??= setTimeout(() => {
    timer = undefined;
    last = performance.now();
    if (client.state !== 'open') return;
    rates.sent++;
    channel.publish({ ...own, session: client.session }, { key: id }).catch(() => {}); // the next one says it better
  }, Math.max(0, last + pace - performance.now()));
}

function move(x: number, y: number): void {
  own.x = Math.min(1, Math.max(0, x));
  own.y = Math.min(1, Math.max(0, y));
  soon();
}

function wave(): void {
  own.waves++;
  soon();
}

function follow({ clientX, clientY }: PointerEvent): void {
  const { left, top, width, height } = field.getBoundingClientRect();
  move((clientX - left) / width, (clientY - top) / height);
}

field.addEventListener('pointermove', follow);
field.addEventListener('pointerdown', (event) => {
  follow(event); // a tap moves nothing before
  wave();
});
field.addEventListener('keydown', (event) => {
  const by = moves[event.key];
  if (by) move(own.x + by[0] * step, own.y + by[1] * step);
  else if (event.key === ' ') wave();
  else return;
  event.preventDefault(); // the page would scroll
});
name.addEventListener('input', () => {
  sessionStorage.setItem('name', (own.name = name.value));
  soon();
});

setInterval(() => {
  $('sent').textContent = String(rates.sent);
  $('heard').textContent = String(rates.heard);
  rates.sent = rates.heard = 0;
}, 1000);
soon();
lamp(client);
showCode({ 'main.ts': mainSource, 'pointers.ts': pointersSource });
