// A conversation: one channel over one line, in the native protocol (docs/protocol.md).
//
// Whenever the line opens, it asks for what it has not seen yet (the newest, if it has seen nothing), subscribes after the
// last of that, and says what waited. What somebody says here waits in the outbox until the server has answered it; if the
// line is lost before, it is sent again on the next one under the same idempotency key, so that it is published once.
//
// It emits, with what is named in detail:
//
//   history   { messages, first }  what was said before, oldest first; first: since the page was opened
//   message   a message of the server's; with key if it is one of the outbox
//   settled   { key, cursor, time } the server has published what was said under the key, as that message
//   refused   { key, why }  or it has not, and never will
//   gap       { from, to }          messages are missing here; without numbers if nobody knows how many
//   people    { count, names } who is here, of whom some may have no name; null if nobody is told
//   over      { why }               the server does not want to go on; the line is closed

const newest = 50; // messages asked for by who has seen none
const answerTimeout = 8_000; // ms for an answer to come, before the line counts as dead
const quiet = 20_000; // ms of silence until the line is tried
const passing = ['unavailable', 'internal', 'full', 'shutting_down', 'slow_consumer']; // errors that another attempt may not meet

export class Conversation extends EventTarget {
  #line;
  #channel;
  #me; // the user whom the server takes us for, if any
  #cursor = ''; // after the last message seen
  #joined = false; // subscribed on this line
  #asked = new Map(); // id → { at, done, refused }: commands without an answer yet
  #lastId = 0;
  #heardAt = 0; // when the server last said anything
  #outbox = new Map(); // key → { text, sent }; sent: at least once, on whatever line
  #names = new Set(); // of the people here
  #heard; // the listeners' end

  constructor(line, channel) {
    super();
    this.#line = line;
    this.#channel = channel;
    this.#heard = new AbortController();
    const { signal } = this.#heard;
    line.addEventListener('state', () => this.#stateChanged(), { signal });
    line.addEventListener('message', (event) => this.#receive(event.detail), { signal });
  }

  /** How much has been said here that the server has not answered. */
  get waiting() {
    return this.#outbox.size;
  }

  /** Tells whether a message is from the user of this page, here or elsewhere. */
  isMine(message) {
    return this.#me !== undefined && message.user === this.#me;
  }

  /** Says a text, now or as soon as the line is back, under a key of its own, which it returns. */
  say(text) {
    const key = newKey();
    this.#outbox.set(key, { text, sent: false });
    if (this.#joined) this.#publish(key);
    return key;
  }

  /** To be called every second or so: tries a line that is quiet, and gives up one that does not answer. */
  check() {
    const now = Date.now();
    if ([...this.#asked.values()].some(({ at }) => now - at > answerTimeout)) this.#line.giveUp('the server does not answer');
    else if (this.#joined && this.#asked.size === 0 && now - this.#heardAt > quiet) this.#ask({ type: 'ping' });
  }

  /** Hears nothing more. */
  leave() {
    this.#heard.abort();
    this.#joined = false;
  }

  // --- commands and answers ---

  #ask(command, done = () => {}, refused = (error) => this.#end(error.message)) {
    const id = ++this.#lastId;
    this.#asked.set(id, { at: Date.now(), done, refused });
    this.#line.send(JSON.stringify({ ...command, id }));
  }

  #receive(text) {
    const message = parse(text);
    this.#heardAt = Date.now();
    const question = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if (message.type === 'error') this.#refused(message, question);
    else if (question) question.done(message);
    else this.#told(message);
  }

  #refused(error, question) {
    if (passing.includes(error.code)) this.#line.giveUp(error.message);
    else if (question) question.refused(error);
    else this.#end(error.message);
  }

  // What the server says without being asked.
  #told(message) {
    switch (message.type) {
      case 'welcome':
        this.#me = message.user;
        break;
      case 'message':
        this.#cursor = message.cursor;
        this.#emit('message', this.#recognized(message));
        break;
      case 'gap':
        this.#cursor = message.cursor;
        this.#emit('gap', message.from > 0 ? { from: message.from, to: message.to } : {});
        break;
      case 'presence':
        this.#people(message);
        break;
      case 'unsubscribed':
        this.#end(message.reason || 'you were taken out of the channel');
        break;
      case 'disconnect':
        if (message.reconnect) this.#line.callBackAfter((message.retry_after ?? 0) * 1000);
        else this.#end(message.message);
    }
  }

  // --- joining ---

  #stateChanged() {
    this.#joined = false;
    this.#asked.clear();
    this.#heardAt = Date.now();
    if (this.#line.state !== 'open') return;
    const after = this.#cursor ? { cursor: this.#cursor } : { limit: newest };
    this.#ask({ type: 'history', channel: this.#channel, ...after }, (answer) => this.#caughtUp(answer), (error) => {
      if (error.code === 'no_history') this.#subscribe();
      else this.#end(error.message);
    });
  }

  #caughtUp({ messages, cursor, recovered }) {
    const first = this.#cursor === '';
    if (recovered === false) this.#emit('gap', {});
    this.#cursor = cursor;
    this.#emit('history', { messages: messages.map((message) => this.#recognized(message)), first });
    this.#subscribe();
  }

  #subscribe() {
    const after = this.#cursor ? { cursor: this.#cursor } : {};
    this.#ask({ type: 'subscribe', channel: this.#channel, presence: true, ...after }, ({ cursor, recovered }) => {
      if (recovered === false) this.#emit('gap', {});
      if (recovered !== true) this.#cursor = cursor;
      this.#joined = true;
      for (const key of this.#outbox.keys()) this.#publish(key);
      this.#ask({ type: 'presence', channel: this.#channel }, (answer) => this.#people(answer), () => this.#emit('people', null));
    });
  }

  #end(why) {
    this.#line.close();
    for (const key of this.#outbox.keys()) this.#emit('refused', { key, why });
    this.#outbox.clear();
    this.#emit('over', { why });
  }

  // --- saying ---

  #publish(key) {
    const { text } = this.#outbox.get(key);
    this.#outbox.get(key).sent = true;
    this.#ask(
      { type: 'publish', channel: this.#channel, data: text, idempotency_key: key },
      ({ cursor, time }) => {
        this.#outbox.delete(key);
        this.#emit('settled', { key, cursor, time });
      },
      (error) => {
        this.#outbox.delete(key);
        this.#emit('refused', { key, why: error.message });
      },
    );
  }

  // A message of ours comes back before its receipt does, or instead of it when the line is lost in between. That it is ours
  // shows by its user and its text; from then on it is published, and not sent again.
  #recognized(message) {
    if (message.user !== this.#me || message.encoding || message.event) return message;
    for (const [key, { text, sent }] of this.#outbox) {
      if (!sent || text !== message.data) continue;
      this.#outbox.delete(key);
      return { ...message, key };
    }
    return message;
  }

  // --- people ---

  #people({ members, joined, left, users }) {
    if (members) this.#names = new Set(members.map(({ user }) => user).filter(Boolean));
    else if (joined?.user) this.#names.add(joined.user);
    else if (left?.user) this.#names.delete(left.user);
    else if (!joined && !left) this.#names.clear(); // too many for the server to name them
    this.#emit('people', { count: users, names: [...this.#names] });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // from somebody else than a server of ours
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
