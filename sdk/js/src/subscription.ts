// A subscription: what of a channel has been seen, across links, so that nothing is seen twice and nothing is missed unnoticed.

import { RingdownError } from './errors.js';
import { messageOf, type ChannelEvent, type PresenceChange } from './message.js';
import type { Command, Heard } from './protocol.js';

/** Who has a subscription. */
export interface SubscriptionOwner {
  /** The server has agreed; recovered is undefined the first time. */
  begun(recovered: boolean | undefined): void;
  event(event: ChannelEvent): void;
  presence(change: PresenceChange): void;
  /** The server does not agree now; ask again after a while. */
  refused(): void;
  /** The server does not agree, or does not any more. */
  over(error: RingdownError): void;
}

const passing = ['unavailable', 'internal', 'shutting_down', 'full', 'rate_limited']; // refusals that another attempt may not meet

export class Subscription {
  /** Where to go on; '' is now. */
  cursor: string;
  #channel: string;
  #presence: boolean;
  #owner: SubscriptionOwner;
  #id: number | undefined; // of the command on the present link
  #on = false; // the server has agreed on the present link
  #known: boolean; // there is a position
  #offset: number | undefined; // of it; a cursor from elsewhere does not tell

  constructor(channel: string, cursor: string, presence: boolean, owner: SubscriptionOwner) {
    this.#channel = channel;
    this.cursor = cursor;
    this.#known = cursor !== '';
    this.#presence = presence;
    this.#owner = owner;
  }

  /** Whether the server has been asked on the present link. */
  get asked(): boolean {
    return this.#id !== undefined || this.#on;
  }

  get on(): boolean {
    return this.#on;
  }

  /** The command to begin with, or to go on with. */
  command(id: number): Command {
    this.#id = id;
    this.#on = false;
    return {
      type: 'subscribe', channel: this.#channel, id,
      ...(this.cursor && { cursor: this.cursor }), ...(this.#presence && { presence: true }),
    };
  }

  /** The link is gone. */
  lost(): void {
    this.#id = undefined;
    this.#on = false;
  }

  /** Takes what is said of the channel. */
  heard(message: Heard): void {
    if (message.id !== undefined && message.id !== this.#id) return; // of an earlier subscription
    switch (message.type) {
      case 'subscribed':
        return this.#subscribed(message);
      case 'error':
        return this.#refused(message);
      case 'unsubscribed':
        this.lost();
        return this.#owner.over(new RingdownError('unsubscribed', message.reason || 'the server took the client out of the channel'));
    }
    if (!this.#on) return;
    if (message.type === 'message') this.#message(message);
    else if (message.type === 'gap') this.#gap(message.from ?? 0, message.to ?? 0, message.cursor!);
    else if (message.type === 'presence') this.#owner.presence(message as unknown as PresenceChange);
  }

  #subscribed({ offset, cursor = '', recovered }: Heard): void {
    const was = this.#known;
    const lost = was && recovered !== true;
    this.#on = this.#known = true;
    if (!was || lost) this.#at(offset, cursor);
    else this.#offset ??= offset;
    this.#owner.begun(was ? !lost : undefined);
    if (lost) this.#event({ type: 'gap', channel: this.#channel, from: 0, to: offset ?? 0, cursor, recovered: false });
  }

  #refused({ code = '', message = '' }: Heard): void {
    this.#id = undefined;
    if (code === 'already_subscribed') this.#on = true; // the server has forced it meanwhile
    else if (passing.includes(code)) this.#owner.refused();
    else this.#owner.over(new RingdownError(code, message));
  }

  #message(heard: Heard): void {
    const offset = heard.offset!;
    const last = this.#offset;
    if (last !== undefined && offset <= last) return;
    if (last !== undefined && offset > last + 1 && !heard.conflated) this.#gap(last + 1, offset - 1, this.cursor);
    let message: ChannelEvent;
    try {
      message = messageOf(heard);
    } catch { // base64 that is none: nothing that a later attempt would mend
      return this.#gap(offset, offset, heard.cursor!);
    }
    this.#at(offset, heard.cursor!);
    this.#event(message);
  }

  #gap(from: number, to: number, cursor: string): void {
    if (from > 0) from = Math.max(from, (this.#offset ?? 0) + 1); // what was told before is not told again
    if (to && to < from) return;
    this.#at(to || undefined, cursor);
    this.#event({ type: 'gap', channel: this.#channel, from, to, cursor, recovered: true });
  }

  #at(offset: number | undefined, cursor: string): void {
    this.#offset = offset;
    this.cursor = cursor;
  }

  #event(event: ChannelEvent): void {
    this.#owner.event(event);
  }
}
