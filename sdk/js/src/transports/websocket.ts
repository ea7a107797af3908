// WebSocket: messages and commands as they are.

import type { Heard } from '../protocol.js';
import type { Address, Ending, Hearing, Transport, Wire } from './transport.js';

/** As much of the web's WebSocket as is needed; that of Node and of the ws package will do. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

// Bounds of what is sent as one message. A server takes 100 commands and 256 KiB.
const maxBatch = 100;
const maxBatchLength = 64 << 10; // UTF-16 units, of which each is at most 3 bytes

export function webSocket(Socket: SocketClass): Transport {
  return { name: 'websocket', open: (address, first, hearing) => open(Socket, address, first, hearing) };
}

function open(Socket: SocketClass, { base, query, token }: Address, first: readonly string[], hearing: Hearing): Wire {
  // A token is shown among the subprotocols, for browsers cannot set headers; the server chooses the first.
  const protocols = ['ringdown.v1.json', ...(token ? [`ringdown.token.${token}`] : [])];
  const socket = new Socket(`${base.replace(/^http/, 'ws')}/connect${query && `?${query}`}`, protocols);
  let accepted = false;
  let over = false;
  const send = (commands: readonly string[]) => batches(commands).forEach((text) => socket.send(text));
  const end = (ending: Ending) => {
    if (over) return;
    over = true;
    socket.close();
    hearing.ended(ending);
  };
  socket.onopen = () => {
    if (over) return;
    accepted = true;
    hearing.accepted();
    send(first);
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (over) return;
    const message = parse(data);
    if (!message) return end({ kind: 'lost', message: 'the server says what is not of the protocol' });
    hearing.message(message);
  };
  socket.onerror = () => {}; // a close follows, which is all that a page may know
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => end(ending(accepted, code, reason));
  return {
    send: (commands) => void (accepted && !over && send(commands)),
    close() {
      if (over) return;
      over = true;
      socket.close(accepted ? 1000 : undefined);
    },
  };
}

function parse(data: unknown): Heard | undefined {
  try {
    const message: unknown = JSON.parse(data as string);
    return typeof message === 'object' && message !== null ? (message as Heard) : undefined;
  } catch {
    return undefined;
  }
}

// What close codes say of the token, for the case that the server's own word on it, which comes before, was lost.
const codes: Record<number, string> = { 4401: 'unauthorized', 4402: 'token_expired', 4403: 'token_revoked' };

function ending(accepted: boolean, close: number, reason: string): Ending {
  if (!accepted) return { kind: 'unreachable', message: 'no WebSocket could be opened', close };
  const code = codes[close];
  return { kind: 'lost', message: reason || `the connection broke (${close})`, close, ...(code && { code }) };
}

/** As few messages as the server's bounds allow. */
export function batches(commands: readonly string[]): string[] {
  const all: string[] = [];
  for (let i = 0; i < commands.length; ) {
    let length = 0;
    let end = i;
    while (end < commands.length && end - i < maxBatch && (end === i || length + commands[end]!.length < maxBatchLength)) {
      length += commands[end++]!.length;
    }
    all.push(end - i === 1 ? commands[i]! : `[${commands.slice(i, end).join()}]`);
    i = end;
  }
  return all;
}
