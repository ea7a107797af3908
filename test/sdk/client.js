// Clients of @ringdown/client, each known by a name, and what they are told.

import { Client } from '../../sdk/js/dist/index.js';
import { serve, within } from '../node/peer.js';
import { WebSocket } from '../node/ws.js';

const patience = 60_000; // ms for anything that is waited for
const clients = new Map(); // name → { client, states, renewals, told: channel → [] }

/** Waits until the condition holds, looking whenever anything happens. */
async function until(what, condition) {
  let over = false;
  const looking = (async () => {
    while (!over && !condition()) await new Promise((resolve) => setTimeout(resolve, 10));
  })();
  try {
    await within(patience, what, looking);
  } finally {
    over = true;
  }
}

function tell(event) {
  if (event.type === 'gap') return `gap ${event.recovered ? `${event.from}-${event.to}` : 'unrecovered'}`;
  return event.data instanceof Uint8Array ? `bytes ${event.data}` : event.data;
}

serve({
  /** Opens a client. It is given the tokens one after the other, the last one again and again. */
  open({ name, url, tokens, ...options }) {
    const renewals = [];
    const token = (renew) => (renewals.push(renew), tokens[Math.min(renewals.length, tokens.length) - 1]);
    const client = new Client(url, { WebSocket, ...(tokens && { token }), ...options });
    const states = [];
    client.on('error', ({ code }) => states.push(`error ${code}`));
    client.on('state', ({ to, cause, transport }) => states.push([to, transport ?? cause?.code].filter(Boolean).join(' ')));
    clients.set(name, { client, states, renewals, told: new Map() });
  },

  /** Waits until a client is open, and tells over which transport. */
  async opened({ name }) {
    const { client, states } = clients.get(name);
    await within(patience, `${name} to open, after ${states}`, client.opened());
    return client.transport;
  },

  /** Waits until a client has been in a state, as "waiting silent". */
  been({ name, state }) {
    const { states } = clients.get(name);
    return until(`${name} to have been ${state}, after ${states}`, () => states.some((was) => was.startsWith(state)));
  },

  /** Waits until so many tokens were asked for, and tells who the server takes the client for. */
  async renewed({ name, times }) {
    const { client, renewals } = clients.get(name);
    await until(`${name} to ask for ${times} tokens`, () => renewals.length >= times);
    return { renewals, user: client.user };
  },

  states({ name }) {
    return clients.get(name).states;
  },

  async listen({ name, channel, ...options }) {
    const { client, told } = clients.get(name);
    const events = [];
    told.set(channel, events);
    const it = client.channel(channel, options);
    it.on('message', (event) => events.push(tell(event)));
    it.on('gap', (event) => events.push(tell(event)));
    it.on('unsubscribed', ({ code }) => events.push(`unsubscribed ${code}`));
    await within(patience, `${name} to be subscribed`, it.subscribe());
  },

  /** Publishes each of the data, and waits for all receipts: the offsets. */
  async publish({ name, channel, data }) {
    const it = clients.get(name).client.channel(channel);
    const receipts = await within(patience, `${name}'s receipts`, Promise.all(data.map((each) => it.publish(each))));
    return receipts.map(({ offset }) => offset);
  },

  publishBytes({ name, channel, bytes }) {
    return clients.get(name).client.channel(channel).publish(Uint8Array.from(bytes));
  },

  /** Waits until the last thing that was told is this, and returns all. */
  async told({ name, channel, last }) {
    const events = clients.get(name).told.get(channel);
    await until(`${name} to be told ${last}`, () => events.at(-1) === last).catch((error) => {
      throw new Error(`${error.message}; was told ${JSON.stringify(events.slice(-10))}`);
    });
    return events;
  },

  async history({ name, channel, ...options }) {
    const { messages, ...rest } = await clients.get(name).client.channel(channel).history(options);
    return { data: messages.map(tell), ...rest };
  },

  presence({ name, channel }) {
    return clients.get(name).client.channel(channel).presence();
  },

  /** The code with which a call is refused. */
  async refused({ name, method }) {
    return clients.get(name).client.call(method, { a: 1 }).then(() => 'answered', ({ code }) => code);
  },

  close({ name }) {
    clients.get(name).client.close();
  },
}, () => clients.forEach(({ client }) => client.close()));
