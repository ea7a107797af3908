// The game: what we steer goes out, what the server says of the arena comes in, and every frame of the screen shows what lies between.

import { Client } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { lamp } from '../../look/lamp.ts';
import { Arena } from './arena.ts';
import { Motion } from './motion.ts';
import { input, read, type State } from './state.ts';
import { Steering } from './steering.ts';
import arenaSource from './arena.ts?raw';
import mainSource from './main.ts?raw';
import motionSource from './motion.ts?raw';
import stateSource from './state.ts?raw';
import steeringSource from './steering.ts?raw';

const pace = 1000 / 30; // ms between two inputs
const again = 1000; // ms until an input is repeated; after three seconds of silence we are out

const $ = (id: string) => document.getElementById(id)!;
const canvas = $('arena') as HTMLCanvasElement;
const number = 1000 + Math.floor(Math.random() * (2 ** 32 - 1000)); // those below are robots

const client = new Client('/');
const states = client.channel<Uint8Array>('demo:game');
const inputs = client.channel<Uint8Array>('demo:game:inputs');
const motion = new Motion();
const arena = new Arena(canvas, number);
const steering = new Steering(canvas, () => motion.at(performance.now())?.discs.find((disc) => disc.number === number));
let newest: State | undefined;
let heard = 0;

states.on('message', ({ data }) => {
  newest = read(data);
  motion.take(newest, performance.now());
  heard++;
  $('size').textContent = String(data.length);
});

let said = '';
let saidAt = 0;
setInterval(() => {
  const [dx, dy] = steering.direction();
  const now = performance.now();
  if (client.state !== 'open' || (`${dx} ${dy}` === said && now - saidAt < again)) return;
  [said, saidAt] = [`${dx} ${dy}`, now];
  inputs.publish(input(number, dx, dy)).catch(() => {}); // the next one says it better
}, pace);

function frame(now: number): void {
  const state = motion.at(now);
  if (state) arena.draw(state);
  requestAnimationFrame(frame);
}

let counted = performance.now();
setInterval(() => {
  const now = performance.now();
  $('rate').textContent = ((heard * 1000) / (now - counted)).toFixed(0);
  [heard, counted] = [0, now];
}, 1000);

setInterval(() => {
  const best = [...(newest?.discs ?? [])].sort((a, b) => b.points - a.points);
  const shown = best.filter((disc, i) => i < 8 || disc.number === number);
  $('points').replaceChildren(...shown.map((disc) => {
    const row = document.createElement('tr');
    row.dataset.number = String(disc.number);
    row.className = `hue-${disc.number % 6}${disc.number === number ? ' own' : ''}`;
    const who = disc.number === number ? 'You' : disc.number < 1000 ? `Robot ${disc.number}` : `Player ${disc.number % 1000}`;
    for (const text of [who, String(disc.points), `${Math.round(disc.x * 100)} / ${Math.round(disc.y * 100)}`]) row.insertCell().textContent = text;
    return row;
  }));
}, 250);

requestAnimationFrame(frame);
canvas.focus({ preventScroll: true });
lamp(client);
showCode({ 'main.ts': mainSource, 'state.ts': stateSource, 'motion.ts': motionSource, 'steering.ts': steeringSource, 'arena.ts': arenaSource });
