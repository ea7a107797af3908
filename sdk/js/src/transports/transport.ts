// What a transport is: a way for commands of the native protocol to the server, and for its messages back. Whatever goes over the wire,
// it looks like that protocol from here.

import type { Heard } from '../protocol.js';

export type TransportName = 'websocket' | 'sse' | 'poll';

/** Why a connection is no more, or never was one. */
export interface Ending {
  /**
   * - `unreachable`: it could not be made, and nobody said why.
   * - `silent`: it was made, but passes nothing (any more).
   * - `lost`: it broke.
   * - `told`: the server said why; see code.
   */
  kind: 'unreachable' | 'silent' | 'lost' | 'told';
  /** A code of docs/errors.md, if the server said one. */
  code?: string;
  message: string;
  /** The HTTP status of a refusal, by the server or, without a code, by something in between. */
  status?: number;
  /** The WebSocket's close code. */
  close?: number;
  /** Whether the server wants the client back, if it said so. */
  reconnect?: boolean;
  /** How long it asked to wait before, in ms. */
  retryAfter?: number;
}

/** Who hears a wire. Nothing is called before open has returned, but for refusals of what was sent with it; nothing after ended, nor after the wire was closed by this side. */
export interface Hearing {
  /** The other side has accepted the connection. That does not mean that anything passes. */
  accepted(): void;
  message(message: Heard): void;
  /** Something came that is no message, which shows that the line lives. */
  alive(): void;
  ended(ending: Ending): void;
}

/** One connection, or what stands for one. */
export interface Wire {
  /** Sends commands, each one JSON object, in their order. */
  send(commands: readonly string[]): void;
  close(): void;
}

/** Where to connect to. */
export interface Address {
  /** The server's base, with http or https and without a slash at its end. */
  base: string;
  /** Parameters for every request, such as `user=ann`, or ''. */
  query: string;
  token: string | undefined;
}

export interface Transport {
  readonly name: TransportName;
  /** Opens a wire; first are the commands to be sent on it before anything else, a ping and then subscriptions. */
  open(address: Address, first: readonly string[], hearing: Hearing): Wire;
}
