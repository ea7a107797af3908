// A room: a channel, what was said in it, and who is there. It survives whatever happens to the line, because the client does.

import type { Channel, Client, Message } from '@ringdown/client';

const kept = 500; // entries of a room
const asked = 50; // messages of before
const pause = 200; // ms until somebody looks who is here

/** What a room shows, in its order. Pending entries are the last ones. */
export type Entry =
  | { kind: 'message'; id: string; user: string; text: string; time: string }
  | { kind: 'gap'; id: string; text: string }
  | { kind: 'pending' | 'refused'; id: string; text: string; why: string };

export class Room {
  readonly name: string;
  entries: Entry[] = [];
  people: string[] = [];
  nameless = 0;
  unread = 0;
  #channel: Channel;
  #changed: (room: Room) => void;
  #settled = new Map<string, string>(); // pending entries that are published, by the cursor under which they will come
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, name: string, changed: (room: Room) => void) {
    this.name = name;
    this.#changed = changed;
    this.#channel = client.channel(name, { presence: true });
    this.#channel.on('message', (message) => {
      this.#heard(message);
      this.unread++;
      changed(this);
    });
    this.#channel.on('gap', ({ from, to, cursor }) => {
      const gap: Entry = { kind: 'gap', id: `gap ${cursor}`, text: from ? `${to - from + 1} messages are missing here.` : 'Messages may be missing here.' };
      this.#insert(gap);
      changed(this);
      if (!from) void this.#fill(() => this.entries.indexOf(gap) + 1); // what was said since the server forgot, it has
    });
    this.#channel.on('presence', () => this.#lookSoon());
    this.#channel.on('subscribed', () => this.#lookSoon());
    this.#channel.on('unsubscribed', ({ message }) => {
      this.#insert({ kind: 'gap', id: `end ${++this.#last}`, text: `You are not in this room: ${message}` });
      changed(this);
    });
    void this.#fill(() => 0);
  }

  /** Says something. It is shown at once, and settled when everybody has it; until then it waits for the line, however long that takes. */
  async say(text: string): Promise<void> {
    const id = `pending ${++this.#last}`;
    this.entries.push({ kind: 'pending', id, text, why: '' });
    this.#changed(this);
    try {
      const { cursor } = await this.#channel.publish(text);
      if (this.#has(cursor)) this.#remove(id);
      else this.#settled.set(cursor, id);
    } catch (error) {
      const entry = this.entries.find((one) => one.id === id);
      if (entry?.kind === 'pending') Object.assign(entry, { kind: 'refused', why: (error as Error).message });
    }
    this.#changed(this);
  }

  // What was said while nobody here listened. It goes above whatever has come meanwhile.
  async #fill(place: () => number): Promise<void> {
    const { messages } = await this.#channel.history({ limit: asked }).catch(() => ({ messages: [] }));
    const missing = messages.filter(({ cursor }) => !this.#has(cursor)).map(entryOf);
    this.entries.splice(place(), 0, ...missing);
    for (const { id } of missing) this.#settle(id);
    this.#changed(this);
  }

  #heard(message: Message): void {
    if (this.#has(message.cursor)) return; // the history had it
    this.#settle(message.cursor);
    this.#insert(entryOf(message));
  }

  // A pending entry has come back, under its cursor.
  #settle(cursor: string): void {
    this.#remove(this.#settled.get(cursor));
    this.#settled.delete(cursor);
  }

  #insert(entry: Entry): void {
    const at = this.entries.findIndex(({ kind }) => kind === 'pending');
    this.entries.splice(at < 0 ? this.entries.length : at, 0, entry);
    this.entries.splice(0, this.entries.length - kept);
  }

  // Once for many who come and go at the same time.
  #lookSoon(): void {
    this.#timer ??= setTimeout(() => void this.#look(), pause);
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    const { members, sessions } = await this.#channel.presence().catch(() => ({ members: [], sessions: 0 })); // a poll has none
    this.people = [...new Set(members.map(({ user }) => user ?? '').filter(Boolean))].sort();
    this.nameless = sessions - members.filter(({ user }) => user).length;
    this.#changed(this);
  }

  #has(id: string): boolean {
    return this.entries.some((entry) => entry.id === id);
  }

  #remove(id: string | undefined): void {
    this.entries = this.entries.filter((entry) => entry.id !== id);
  }
}

function entryOf({ cursor, user = '', data, time }: Message): Entry {
  const text = typeof data === 'string' ? data : data instanceof Uint8Array ? `${data.length} bytes` : JSON.stringify(data);
  return { kind: 'message', id: cursor, user, text, time };
}
