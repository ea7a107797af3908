// The sensors: a gauge for each device that is heard of, and this page as a device itself.

import { Client } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { lamp } from '../../look/lamp.ts';
import { publish, tiltOf } from './device.ts';
import { Gauge, type Measured } from './gauge.ts';
import deviceSource from './device.ts?raw';
import gaugeSource from './gauge.ts?raw';
import mainSource from './main.ts?raw';

const name = 'demo:sensors';
const every = 1000; // ms between two values of ours
const silent = 5_000; // ms without a value
const most = 100; // gauges

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const gauges = new Map<string, Gauge>();

// --- listening: with the client ---

const client = new Client('/');
client.channel<Measured>(name).on('message', ({ key, data, time }) => {
  if (!key || typeof data?.value !== 'number') return; // anybody may publish here
  let gauge = gauges.get(key);
  if (!gauge) {
    if (gauges.size >= most) return;
    gauge = new Gauge();
    gauges.set(key, gauge);
    $('devices').append(gauge.element);
  }
  gauge.show(data, Date.parse(time));
});

setInterval(() => {
  const heard = [...gauges.values()].filter((gauge) => gauge.age(silent)).length;
  $('count').textContent = `${heard} of ${gauges.size} are heard`;
}, 250);

// --- measuring: without ---

const self = `page-${Math.random().toString(36).slice(2, 8)}`; // our key
const label = $<HTMLInputElement>('name');
const slider = $<HTMLInputElement>('value');
label.value = `Page ${self.slice(-3)}`;
let timer: ReturnType<typeof setInterval> | undefined;

async function measure(): Promise<void> {
  const measured = { name: label.value, value: slider.valueAsNumber, unit: '%', low: 0, high: 100 };
  $('receipt').textContent = await publish(name, self, measured).then(
    ({ offset, subscribers }) => `Published as ${offset}, to ${subscribers} who listen`,
    (error: Error) => `Not published: ${error.message}`,
  );
}

$('measure').addEventListener('click', () => {
  clearInterval(timer);
  timer = timer ? undefined : setInterval(() => void measure(), every);
  if (timer) void measure();
  $('measure').ariaPressed = String(Boolean(timer));
  $('measure').textContent = timer ? 'Stop measuring' : 'Begin to measure';
});
slider.addEventListener('input', () => timer && void measure());

tiltOf((percent) => {
  $('tilt').parentElement!.hidden = false;
  if ($<HTMLInputElement>('tilt').checked) slider.value = String(percent);
});

const example = JSON.stringify({ name: 'Attic', value: 21.5, unit: '°C', low: 10, high: 35 } satisfies Measured);
$('curl').textContent = `curl -H 'Content-Type: application/json' -d '${example}' '${location.origin}/channels/${name}?key=attic'`;
$('copy').addEventListener('click', () => void navigator.clipboard.writeText($('curl').textContent!));

lamp(client);
showCode({ 'main.ts': mainSource, 'device.ts': deviceSource, 'gauge.ts': gaugeSource });
