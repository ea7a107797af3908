/**
 * The client of a Ringdown server, for browsers and Node: channels over a line that comes back by itself and goes on where it was.
 *
 * @packageDocumentation
 */

export type { BackoffOptions } from './backoff.js';
export { Channel, type ChannelEvents, type ChannelOptions, type PublishOptions } from './channel.js';
export type { Memory } from './chooser.js';
export { Client, type ClientEvents, type ClientOptions } from './client.js';
export type { Clock } from './clock.js';
export type { Off } from './emitter.js';
export { RingdownError, type LocalCode } from './errors.js';
export type { World } from './line.js';
export type { HeartbeatOptions } from './link.js';
export type { ChannelEvent, Gap, History, Message, Present, PresenceChange, Receipt } from './message.js';
export type { QueueOptions } from './outbox.js';
export type { Command, Heard, Member } from './protocol.js';
export type { Change, State } from './state.js';
export type { GetToken } from './tokens.js';
export type { Fetch } from './transports/http.js';
export type { Address, Ending, Hearing, Transport, TransportName, Wire } from './transports/transport.js';
export type { Socket, SocketClass } from './transports/websocket.js';
