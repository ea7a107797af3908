// The dashboard: a reader of two channels, fast or slow, and what shows the figures.

import { Client, type Message } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { lamp } from '../../look/lamp.ts';
import { Chart } from './chart.ts';
import { Tally } from './tally.ts';
import { Ticker, type Price } from './ticker.ts';
import chartSource from './chart.ts?raw';
import mainSource from './main.ts?raw';
import tallySource from './tally.ts?raw';
import tickerSource from './ticker.ts?raw';

type Figure = { value: number };

const pause = 2_000; // ms between two looks of a slow reader
const most = 60; // orders of a city that fill its bar
const settling = 500; // ms in which the first values come, of before

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const slow = $<HTMLInputElement>('slow');
const ticker = new Ticker($('ticker'));
const chart = new Chart($('chart'));
const tally = new Tally($);
const cities = new Map<string, HTMLElement>();
const cursors = new Map<string, string>(); // where we are in each channel
let end = () => {};

/** Reads both channels on from where we were: as they come, or at a pace of our own. */
function read(): void {
  end();
  const client = new Client('/', slow.checked ? { transports: ['poll'], memory: false, fetch: reluctantly } : {});
  const unlamp = lamp(client);
  end = () => {
    unlamp();
    client.close();
  };
  listen<Price>(client, 'demo:prices', (message) => {
    ticker.take(message.key!, message.data);
    tally.count(message.offset, message.time);
  });
  listen<Figure>(client, 'demo:metrics', ({ key, data, time }) => show(key!, data.value, Date.parse(time)));
}

function listen<T>(client: Client, name: string, take: (message: Message<T>) => void): void {
  const channel = client.channel<T>(name, { cursor: cursors.get(name) ?? '' });
  channel.on('message', (message) => {
    cursors.set(name, message.cursor);
    take(message);
  });
  channel.on('gap', ({ cursor }) => cursors.set(name, cursor)); // nothing to mend: the newest of each key follows
}

/** A fetch that takes its time before it polls. The server has the newest of each key for whoever asks seldom. */
async function reluctantly(input: string, init?: RequestInit): Promise<Response> {
  if (input.includes('wait=')) await new Promise((resolve) => setTimeout(resolve, pause));
  return fetch(input, init);
}

const texts: Record<string, (value: number) => string> = {
  visitors: (n) => n.toLocaleString('en'),
  orders: (n) => n.toLocaleString('en'),
  baskets: (n) => n.toLocaleString('en'),
  revenue: (n) => `€ ${n.toLocaleString('en', { maximumFractionDigits: 0 })}`,
  latency: (n) => `${n.toFixed(0)} ms`,
  errors: (n) => `${n.toFixed(2)} %`,
};

function show(key: string, value: number, at: number): void {
  if (key.startsWith('orders ')) return bar(key.slice('orders '.length), value);
  if (texts[key]) $(key).textContent = texts[key](value);
  if (key === 'orders') chart.add(at / 1000, value);
}

function bar(city: string, orders: number): void {
  let li = cities.get(city);
  if (!li) {
    li = document.createElement('li');
    li.append(document.createElement('span'), document.createElement('b'));
    li.children[0]!.textContent = city;
    cities.set(city, li);
    $('cities').append(li);
  }
  li.style.setProperty('--share', String(Math.min(1, orders / most)));
  li.children[1]!.textContent = String(orders);
}

/** What the chart shows of the last minute before we came. */
async function before(): Promise<void> {
  const client = new Client('/');
  const { messages } = await client.channel<Figure>('demo:metrics').history({ limit: 1000 });
  for (const { key, data, time } of messages) if (key === 'orders') chart.add(Date.parse(time) / 1000, data.value);
  client.close();
}

slow.addEventListener('change', () => {
  tally.begin();
  read();
});
addEventListener('pagehide', () => end());
addEventListener('pageshow', ({ persisted }) => persisted && read());

void before().catch(() => {}).then(read);
setTimeout(() => tally.begin(), settling);
showCode({ 'main.ts': mainSource, 'ticker.ts': tickerSource, 'tally.ts': tallySource, 'chart.ts': chartSource });
