// What programs get from a channel.

import { decode } from './payload.js';
import type { Heard, Member } from './protocol.js';

/** A publication. */
export interface Message<T = unknown> {
  readonly type: 'message';
  readonly channel: string;
  /** The name the publisher gave it. */
  readonly event?: string;
  /** What was published: text as a string, bytes as a Uint8Array, any other JSON value as itself. T is what the program says it is. */
  readonly data: T;
  /** What the data is the newest value of, if the publisher said so. */
  readonly key?: string;
  /** Its position in the channel: counts up by one. */
  readonly offset: number;
  /** For going on after it. Opaque. */
  readonly cursor: string;
  /** When it was published: RFC 3339, UTC, milliseconds. */
  readonly time: string;
  /** Whose client published it, if the server knows. */
  readonly user?: string;
  /** Offsets may jump here, for older values of a key are left out. */
  readonly conflated?: boolean;
}

/** Publications are missing between what came before and what comes after. */
export interface Gap {
  readonly type: 'gap';
  readonly channel: string;
  /** The offsets that are missing, both included. `from` is 0 if that is not known, and then perhaps nothing is. */
  readonly from: number;
  readonly to: number;
  /** For going on after it. */
  readonly cursor: string;
  /** false: the client had been away, and the server could not tell what was published meanwhile. */
  readonly recovered: boolean;
}

/** What a channel tells in its order. */
export type ChannelEvent<T = unknown> = Message<T> | Gap;

/** Somebody has come or gone, or, in a crowded channel, only how many there are now. */
export interface PresenceChange {
  readonly channel: string;
  readonly joined?: Member;
  readonly left?: Member;
  readonly sessions: number;
  readonly users: number;
}

/** Who is in a channel. */
export interface Present {
  /** At most as many as were asked for. */
  readonly members: readonly Member[];
  readonly sessions: number;
  readonly users: number;
}

/** A part of what the server keeps of a channel, oldest first. */
export interface History<T = unknown> {
  readonly messages: readonly Message<T>[];
  /** After the last one. */
  readonly cursor: string;
  /** A cursor was given, and nothing after it is missing. */
  readonly recovered: boolean;
  /** There is more after the cursor. */
  readonly more: boolean;
}

/** What became of a publication. */
export interface Receipt {
  readonly offset: number;
  readonly cursor: string;
  readonly time: string;
  /** Sessions of the server's node that are subscribed. */
  readonly subscribers: number;
  /** Those of them that read too slowly. */
  readonly lagging: number;
  /** It had been published before; the receipt is that of the first time. */
  readonly duplicate: boolean;
}

/** The message that was heard. */
export function messageOf<T>(heard: Heard): Message<T> {
  const { encoding: _, id: __, ...rest } = heard;
  return { ...rest, type: 'message', data: decode(heard) } as Message<T>;
}
