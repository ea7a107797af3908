// The scores: history for what was before we came, a subscription for what happens, a cursor for going on where we were.

import { Client } from '@ringdown/client';
import { showCode } from '../../look/code.ts';
import { lamp } from '../../look/lamp.ts';
import { Day, type Told } from './day.ts';
import { show } from './show.ts';
import daySource from './day.ts?raw';
import mainSource from './main.ts?raw';
import showSource from './show.ts?raw';

const name = 'demo:scores';
const $ = (id: string) => document.getElementById(id)!;
const day = new Day();
let cursor = ''; // where we are, for coming back
let hangUp: (() => void) | undefined;

function call(): void {
  const client = new Client('/');
  const unlamp = lamp(client);
  const channel = client.channel<Told>(name, { cursor });
  const back = cursor !== '';
  let caughtUp = 0;

  channel.on('message', (message) => {
    cursor = message.cursor;
    if (!day.take(message)) return;
    if (back && Date.parse(message.time) < calledAt) caught(`${++caughtUp} events that happened meanwhile came first`);
    show(day);
  });
  channel.on('gap', (gap) => {
    cursor = gap.cursor;
    caught('So much happened meanwhile that not all of it is kept; a table comes within half a minute');
    void before();
  });
  if (!back) void before();

  /** What happened before: all of it that is kept. It may overlap with what comes, and the day does not mind. */
  async function before(): Promise<void> {
    const { messages } = await channel.history({ limit: 1000 });
    for (const message of messages) day.take(message);
    show(day);
  }

  hangUp = () => {
    unlamp();
    client.close();
    hangUp = undefined;
  };
}

let calledAt = 0; // Unix time in ms

function caught(text: string): void {
  $('caught').textContent = text;
}

$('hang').addEventListener('click', () => {
  if (hangUp) {
    hangUp();
    $('hang').textContent = 'Call again';
    $('state').dataset.state = 'waiting';
    $('state').textContent = 'hung up';
    caught('The matches go on.');
    return;
  }
  calledAt = Date.now();
  caught('');
  $('hang').textContent = 'Hang up';
  call();
});

call();
setInterval(() => hangUp && day.last && show(day), 1000);
showCode({ 'main.ts': mainSource, 'day.ts': daySource, 'show.ts': showSource });
