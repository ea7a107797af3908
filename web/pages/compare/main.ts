// The comparison: four ways to listen to one feed, a meter for each, and the words for what they show.

import { showCode } from '../../look/code.ts';
import { cpuEach, order, runAll, type Run } from './bench.ts';
import { Chart } from './chart.ts';
import { Meter } from './meter.ts';
import { eventStream, learn, longPoll, shortPoll, webSocket, type Way } from './ways.ts';
import benchSource from './bench.ts?raw';
import mainSource from './main.ts?raw';
import meterSource from './meter.ts?raw';
import waysSource from './ways.ts?raw';

const channel = 'demo:compare';
const usage = '/compare/usage';
const pace = 500; // ms between two pictures
const names = ['Short polls', 'Long polls', 'Event stream (SSE)', 'WebSocket'];

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const every = $<HTMLSelectElement>('every');
let offset = 0; // ms by which the server's clock is ahead of ours
const ourTime = () => performance.timeOrigin + performance.now();
const serverTime = () => ourTime() + offset;
const meters = names.map(() => new Meter(serverTime));
const chart = new Chart($('chart'), names);
let ends: (() => void)[] = [];

/** Compares the clocks: the quickest of five answers is the least wrong. */
async function compareClocks(): Promise<void> {
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const before = ourTime();
    const answer = await fetch(usage, { cache: 'no-store' });
    if (!answer.ok) throw new Error('The feed is there in dev mode only: ringdown serve --dev');
    const { time, request_bytes, runs } = await answer.json();
    const trip = ourTime() - before;
    learn(usage, request_bytes);
    $('head').textContent = `${request_bytes} bytes`;
    $<HTMLButtonElement>('measure').disabled = !runs;
    if (trip >= best) continue;
    best = trip;
    offset = time - (before + trip / 2);
  }
  $('clock').textContent = `${offset.toFixed(2)} ms, give or take ${(best / 2).toFixed(2)} ms`;
}

function listen(): void {
  stop();
  chart.clear();
  for (const meter of meters) meter.reset();
  const ways: Way[] = [shortPoll(Number(every.value)), longPoll, eventStream, webSocket];
  ends = ways.map((way, i) => way(channel, meters[i]!));
  $('state').dataset.state = 'open';
  $('state').textContent = 'measuring';
}

function stop(): void {
  for (const end of ends) end();
  ends = [];
  $('state').dataset.state = 'waiting';
  $('state').textContent = 'paused';
}

function show(): void {
  const now = serverTime();
  if (ends.length) chart.add(now / 1000, meters.map((meter) => meter.between(now - pace, now)));
  const figures = meters.map((meter) => meter.read());
  $('live').replaceChildren(...figures.map((f, i) => row(i, names[i]!, [
    String(f.messages), ms(f.median), ms(f.late), f.perMinute < 1.5 ? String(f.requests) : f.perMinute.toFixed(0), bytes(f.outEach), bytes(f.inEach),
  ])));
  const [short, long, stream, socket] = figures as [typeof figures[0], typeof figures[0], typeof figures[0], typeof figures[0]];
  if (figures.some(({ messages }) => messages < 20)) return;
  const half = Number(every.value) / 2;
  $('words').textContent =
    `A message is here ${ms(socket!.median)} after its publication by WebSocket, ${ms(stream!.median)} by event stream and ${ms(long!.median)} by long poll: ` +
    `all three are told at once. A short poll finds it ${ms(short!.median)} late, for it waits half an interval (${half} ms) on average, and asking more often ` +
    `makes that better and everything else worse. For each message, requests and answers took ${bytes(short!.outEach + short!.inEach)} bytes by short poll and ` +
    `${bytes(long!.outEach + long!.inEach)} by long poll, most of them heads of HTTP; ${bytes(stream!.outEach + stream!.inEach)} by event stream and ` +
    `${bytes(socket!.outEach + socket!.inEach)} by WebSocket. A short poll brings several messages at once when there are many, ` +
    `and asks in vain when there are none; a long poll is answered for every single one.`;
}

function row(way: number, name: string, cells: string[]): HTMLTableRowElement {
  const tr = document.createElement('tr');
  if (way >= 0) tr.style.setProperty('--way', `var(--way-${way})`);
  for (const [i, text] of [name, ...cells].entries()) {
    const td = tr.insertCell();
    td.textContent = text;
    if (i) td.className = 'number';
  }
  return tr;
}

function ms(value: number | undefined): string {
  if (value === undefined) return '–';
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function bytes(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

async function measure(): Promise<void> {
  const runs: Run[] = [];
  const label = (way: string) => names[order.indexOf(way as Run['way'] & typeof order[number]) - 1] ?? 'Nobody listens';
  $('cost').replaceChildren();
  $('cost-words').textContent = '';
  await runAll($<HTMLInputElement>('clients').valueAsNumber, $<HTMLInputElement>('seconds').valueAsNumber, (way) => {
    $('progress').textContent = `Measuring: ${label(way)} …`;
  }, (run) => {
    runs.push(run);
    const each = (n: number) => (run.messages ? bytes(n / run.messages) : '–');
    const cpu = `${((run.cpu_seconds / run.seconds) * 100).toFixed(1)} %`;
    $('cost').append(row(runs.length - 2, label(run.way), [
      (run.messages / run.seconds).toFixed(0), (run.requests / run.seconds).toFixed(1), each(run.bytes_out), each(run.bytes_in), cpu,
      run.messages ? `${cpuEach(run, runs[0]!).toFixed(1)} µs` : '–',
    ]));
  });
  $('progress').textContent = '';
  const [idle, short, long, stream, socket] = runs as [Run, Run, Run, Run, Run];
  const µs = (run: Run) => `${cpuEach(run, idle).toFixed(1)} µs`;
  $('cost-words').textContent =
    `With ${socket.clients} clients, one message to one of them takes ${µs(socket)} of CPU time by WebSocket, ${µs(stream)} by event stream, ${µs(long)} by long poll and ` +
    `${µs(short)} by short poll, each without what the node and the feed take by themselves (${((idle.cpu_seconds / idle.seconds) * 1000).toFixed(1)} ms a second). ` +
    `A long poll pays for a whole request for every message, so it is dearest while messages come often. A short poll pays for a request every second, whether ` +
    `there is something or not: ten messages share it here, and in a quiet channel all of it is for nothing. A few seconds are a short time: ` +
    `measure twice before you believe a small difference.`;
}

every.addEventListener('change', () => ends.length && listen());
$('pause').addEventListener('click', () => {
  if (ends.length) stop();
  else listen();
  $('pause').ariaPressed = String(!ends.length);
});
$('run').addEventListener('submit', async (event) => {
  event.preventDefault();
  const listening = ends.length > 0;
  stop();
  $<HTMLButtonElement>('measure').disabled = true;
  await measure().catch((error: Error) => ($('progress').textContent = `Not measured: ${error.message}`));
  $<HTMLButtonElement>('measure').disabled = false;
  if (listening) listen();
});
addEventListener('pagehide', stop);
addEventListener('pageshow', ({ persisted }) => persisted && listen());

compareClocks().then(() => {
  listen();
  setInterval(() => void compareClocks().catch(() => {}), 30_000);
  setInterval(show, pace);
}, (error: Error) => {
  $('trouble').textContent = error.message;
  $('trouble').hidden = false;
});
showCode({ 'ways.ts': waysSource, 'meter.ts': meterSource, 'bench.ts': benchSource, 'main.ts': mainSource });
