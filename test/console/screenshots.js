// Makes the pictures of docs/images (make screenshots): starts a node, lets clients come, talk and drop for a while, and photographs the
// console and the pages that there are. The arguments are the program ringdown, the path of Chromium, and the folder for the pictures.

import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { launch } from '../node/chromium.js';
import { io } from '../node/io.js';
import { WebSocket } from '../node/ws.js';
import { packed } from './png.js';

const [program, chromium, folder] = process.argv.slice(2);
const traffic = 75; // seconds of it, so that the charts have something to show
const most = 150_000; // bytes of a picture
const secret = randomBytes(32).toString('hex');
const consoleToken = randomBytes(16).toString('hex');

const people = ['Ada', 'Bela', 'Carla', 'Deniz', 'Eva', 'Farid', 'Gwen', 'Hugo', 'Ines', 'Jan', 'Kim', 'Lea', 'Mira', 'Noor', 'Otto', 'Pia'];
const rooms = ['chat:lobby', 'chat:support', 'orders:berlin', 'prices:acme', 'prices:initech', 'scores:final'];
const lines = ['On my way.', 'Who takes the next call?', 'The parcel has arrived.', 'Can you hear me?', 'Loud and clear.', 'Line two is free again.'];

const any = (list) => list[Math.floor(Math.random() * list.length)];
const base64url = (value) => Buffer.from(value).toString('base64url');

/** A JWT of a user. */
function token(user) {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${base64url('{"alg":"HS256"}')}.${base64url(JSON.stringify({ sub: user, iat: now, exp: now + 3600 }))}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts a node, and returns its address. */
async function startNode(config) {
  const address = `127.0.0.1:${await freePort()}`;
  const node = spawn(program, ['serve', '--dev', '--listen', address, '--config', config], {
    env: { ...process.env, RINGDOWN_CONSOLE_TOKEN: consoleToken },
    stdio: 'ignore',
  });
  process.on('exit', () => node.kill('SIGKILL'));
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(`http://${address}/readyz`).then((answer) => answer.ok, () => false)) return address;
    await pause(100);
  }
  throw new Error('the node does not come up');
}

/** A client that stays, listens, and says something now and then. */
function talk(address, user, room, every) {
  const socket = new WebSocket(`ws://${address}/channels/${encodeURIComponent(room)}?token=${token(user)}`);
  socket.on('error', (error) => console.error(`${user}: ${error.message}`));
  socket.on('open', () => {
    const timer = setInterval(() => socket.send(JSON.stringify(said(user, room))), every * (0.6 + 0.8 * Math.random()));
    socket.on('close', () => clearInterval(timer));
  });
  return socket;
}

function said(from, room) {
  if (room.startsWith('prices')) return { symbol: room.slice(7).toUpperCase(), price: Number((100 + 20 * Math.random()).toFixed(2)), size: 100 * Math.ceil(9 * Math.random()) };
  if (room.startsWith('orders')) return { order: 1000 + Math.floor(9000 * Math.random()), state: any(['taken', 'packed', 'sent']), by: from };
  return { from, text: any(lines) };
}

/** An event stream. */
async function listen(address, user, room) {
  const { body } = await fetch(`http://${address}/channels/${room}?token=${token(user)}`, { headers: { Accept: 'text/event-stream' } });
  for await (const _ of body);
}

/** A client of Socket.IO. */
function joinSocketIO(address, user, transport) {
  const socket = io(`http://${address}`, { auth: { token: token(user) }, transports: [transport], forceNew: true });
  socket.on('connect', () => socket.emit('join', 'chat:lobby'));
}

/** Clients that drop, each for another reason. */
function drop(address) {
  const raw = (path, options) => new WebSocket(`ws://${address}${path}`, options).on('error', () => {});
  const gone = raw(`/channels/chat:lobby?token=${token('Quentin')}`).on('open', () => setTimeout(() => gone.close(1000, 'done'), 900));
  const broken = raw(`/channels/orders:berlin?token=${token('Rosa')}`).on('open', () => setTimeout(() => broken.terminate(), 2100));
  const large = raw(`/channels/chat:support?token=${token('Sami')}`).on('open', () => setTimeout(() => large.send('x'.repeat(80_000)), 1500));
  raw('/channels/chat:lobby', { origin: 'https://elsewhere.example' });
  raw(`/channels/chat:lobby?token=${token('Tom').slice(0, -4)}abcd`);
}

/** Lets clients come one after the other, and talk. */
async function live(address) {
  const started = Date.now();
  let clients = 0;
  while (Date.now() - started < traffic * 1000) {
    if (clients < 60) {
      const user = people[clients % people.length];
      talk(address, user, rooms[clients % rooms.length], 700 + 40 * clients);
      if (clients % 4 === 0) void listen(address, user, rooms[clients % rooms.length]);
      if (clients % 6 === 0) joinSocketIO(address, user, clients % 12 ? 'polling' : 'websocket');
      clients++;
    }
    await pause(traffic * 8);
  }
  drop(address);
  await pause(4000);
}

/** Photographs what there is; pages that this version does not have are passed over. */
async function shoot(address) {
  const browser = await launch(chromium);
  const picture = async (name, path, { colorScheme = 'light', width = 1280, height = 800, prepare = async () => {} } = {}) => {
    if (!path.startsWith('/console/') && !(await fetch(`http://${address}${path}`)).ok) return console.log(`${name}: there is no ${path}`);
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce' });
    const page = await context.newPage();
    await anonymous(context);
    await page.goto(`http://${address}${path}`);
    await prepare(page, context);
    await pause(1500);
    const file = join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    await context.close();
    writeFileSync(file, packed(readFileSync(file)));
    const { size } = statSync(file);
    console.log(`${name}: ${size} bytes`);
    if (size > most) throw new Error(`${file} has ${size} bytes; make it smaller than ${most}`);
  };
  const at = (view) => `/console/#token=${consoleToken}&${view}`;

  await picture('console-overview', at('/'), { height: 942 });
  await picture('console-overview-dark', at('/'), { height: 942, colorScheme: 'dark' });
  await picture('console-session', at('/sessions?find=Bela'), {
    height: 860,
    prepare: async (page) => {
      await page.click('tr.entry:has-text("raw")');
      await page.click('[data-testid=inspect]');
      await page.waitForSelector('.inspector tr.entry:nth-child(9)');
      await page.click('[data-testid=inspect]'); // what is opened stays where it is
      await page.click('.inspector tr.entry:nth-child(2)');
    },
  });
  await picture('console-drops', at('/ended'), { colorScheme: 'dark', height: 720, prepare: (page) => page.click('tr.entry:has-text("broke")') });
  await picture('console-phone', at('/channels/chat%3Alobby'), { width: 390, height: 844 });
  await picture('chat', '/chat/', { height: 680, prepare: (page, context) => chat(page, context) });
  await picture('dashboard', '/dashboard/', { colorScheme: 'dark', prepare: () => pause(12_000) });
  await picture('compare', '/compare/', { height: 900, prepare: () => pause(15_000) });
  await browser.close();
}

/** Has the node go by another name than that of the machine that the pictures are made on. */
async function anonymous(context) {
  await context.route(/\/console\/api\/(node|sessions\/[^/?]+)$/, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replaceAll(JSON.stringify(hostname()), '"node-1"') });
  });
}

/** Two people in a room. */
async function chat(page, context) {
  const other = await context.newPage();
  await other.goto(page.url());
  const name = async (tab, text) => { await tab.fill('#name', text); await tab.press('#name', 'Tab'); };
  const say = async (tab, text) => { await tab.fill('#text', text); await tab.press('#text', 'Enter'); await pause(400); };
  await name(page, 'Ada');
  await name(other, 'Bela');
  await page.waitForFunction(() => !document.getElementById('people').innerText.includes('Guest'), null, { timeout: 20_000 }).catch(() => {});
  for (const [tab, text] of [[page, 'Is this line open?'], [other, 'Loud and clear.'], [page, 'Pull the plug, wait a while, plug it in again.'], [other, 'Everything is there, and nothing twice.']]) await say(tab, text);
}

const temporary = mkdtempSync(join(tmpdir(), 'ringdown-screenshots-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
const config = join(temporary, 'ringdown.yaml');
writeFileSync(config, `auth: {keys: [{id: pictures, secret: "${secret}"}]}\n`);
const address = await startNode(config);
await live(address);
await shoot(address);
process.exit(0);
