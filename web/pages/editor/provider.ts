// A provider for Yjs: brings a document to whatever others in a channel have, and keeps it there.
//
// A message is a byte that says what it is, and what Yjs made; a long one goes in parts. Documents merge in any order and as often as one likes, so that it does not
// matter what arrives twice. The server keeps the last updates for those who come later; what it has forgotten, the others have: whoever
// joins or comes back says what he has (a state vector), and is sent the rest.

import type { Channel } from '@ringdown/client';
import * as Y from 'yjs';

const update = 0; // changes
const having = 1; // a state vector: somebody asks for what he lacks
const part = 2; // of a message that is too long for the server: which message (4 bytes), the part's number, how many there are, and the part

const partSize = 32 << 10; // bytes; the server takes messages of twice that
const mostParts = 128; // of one message
const mostUnfinished = 8; // messages of which parts are kept

const gathering = 50; // ms in which changes are gathered into one message
const politeness = 300; // ms at most, at random, before an answer, so that not all answer at once

export class Provider {
  #doc: Y.Doc;
  #channel: Channel<Uint8Array>;
  #outgoing: Uint8Array[] = [];
  #lastAnswer = ''; // the last update that was heard, to compare with
  #unfinished = new Map<string, Uint8Array[]>();
  #held: Uint8Array[] | undefined; // updates that wait while somebody composes a character

  constructor(doc: Y.Doc, channel: Channel<Uint8Array>) {
    this.#doc = doc;
    this.#channel = channel;
    doc.on('update', (changes: Uint8Array, origin: unknown) => {
      if (origin !== this) this.#gather(changes);
    });
    channel.on('message', ({ data }) => this.#heard(data));
    channel.on('subscribed', () => this.#ask());
    channel.on('gap', () => this.#ask());
    void this.#before();
  }

  /** Holds back the changes of others, until it is called with false. */
  hold(on: boolean): void {
    const held = this.#held ?? [];
    this.#held = on ? held : undefined;
    if (!on) for (const changes of held) this.#apply(changes);
  }

  async #before(): Promise<void> {
    const { messages } = await this.#channel.history({ limit: 1000 }).catch(() => ({ messages: [] }));
    this.#doc.transact(() => {
      for (const { data } of messages) if (data instanceof Uint8Array && data[0] !== having) this.#heard(data); // who asked was answered
    }, this);
  }

  #heard(message: unknown): void {
    if (!(message instanceof Uint8Array)) return; // somebody else's
    if (message[0] === update) {
      this.#lastAnswer = message.subarray(1).join();
      this.#apply(message.subarray(1));
    } else if (message[0] === having) {
      setTimeout(() => this.#answer(message.subarray(1)), Math.random() * politeness);
    } else if (message[0] === part) {
      const whole = this.#join(message);
      if (whole && whole[0] !== part) this.#heard(whole);
    }
  }

  // Keeps a part, and returns the message once all of it is here.
  #join(message: Uint8Array): Uint8Array | undefined {
    const [which, at, of] = [message.subarray(1, 5).join(), message[5] ?? 0, message[6] ?? 0];
    if (at >= of || of > mostParts) return undefined;
    const parts = this.#unfinished.get(which) ?? [];
    parts[at] = message.subarray(7);
    this.#unfinished.delete(which);
    const here = parts.filter(() => true); // but for holes
    if (here.length === of) return joined(here);
    this.#unfinished.set(which, parts);
    for (const oldest of this.#unfinished.keys()) if (this.#unfinished.size > mostUnfinished) this.#unfinished.delete(oldest);
    return undefined;
  }

  #apply(changes: Uint8Array): void {
    if (this.#held) {
      this.#held.push(changes);
      return;
    }
    try {
      Y.applyUpdate(this.#doc, changes, this);
    } catch {
      // somebody else's: an update that is none
    }
  }

  #ask(): void {
    this.#send(having, Y.encodeStateVector(this.#doc));
  }

  // Sends what the other lacks, unless somebody was quicker, and asks for what this one lacks. Two that have the same say nothing, so it ends.
  #answer(theirs: Uint8Array): void {
    const wanted = vectorOf(theirs);
    if (!wanted) return;
    const missing = Y.encodeStateAsUpdate(this.#doc, theirs);
    const answer = missing.join();
    const have = Y.decodeStateVector(Y.encodeStateVector(this.#doc));
    if (ahead(have, wanted) && answer !== this.#lastAnswer) this.#send(update, missing);
    if (ahead(wanted, have)) this.#ask();
  }

  #gather(changes: Uint8Array): void {
    if (this.#outgoing.push(changes) > 1) return;
    setTimeout(() => {
      this.#send(update, Y.mergeUpdates(this.#outgoing));
      this.#outgoing = [];
    }, gathering);
  }

  #send(kind: number, content: Uint8Array): void {
    const message = joined([Uint8Array.of(kind), content]);
    const of = Math.ceil(message.length / partSize);
    if (of === 1) return this.#publish(message);
    const which = crypto.getRandomValues(new Uint8Array(4));
    for (let at = 0; at < of; at++) {
      this.#publish(joined([Uint8Array.of(part, ...which, at, of), message.subarray(at * partSize, (at + 1) * partSize)]));
    }
  }

  #publish(message: Uint8Array): void {
    this.#channel.publish(message).catch(() => {}); // it could not wait any longer; once back, the others ask for it
  }
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, one) => length + one.length, 0));
  let at = 0;
  for (const one of parts) {
    whole.set(one, at);
    at += one.length;
  }
  return whole;
}

function vectorOf(bytes: Uint8Array): Map<number, number> | undefined {
  try {
    return Y.decodeStateVector(bytes);
  } catch {
    return undefined; // somebody else's
  }
}

function ahead(one: Map<number, number>, other: Map<number, number>): boolean {
  return [...one].some(([client, clock]) => clock > (other.get(client) ?? 0));
}
