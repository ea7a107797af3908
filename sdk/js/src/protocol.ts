// The native protocol (docs/protocol.md), as far as a client says and hears it.

/** Any message of the server's. Which fields there are depends on the type; those that are not known are ignored. */
export interface Heard {
  type: string;
  id?: number | string;
  channel?: string;
  event?: string;
  data?: unknown;
  encoding?: string;
  key?: string;
  offset?: number;
  cursor?: string;
  time?: string;
  user?: string;
  conflated?: boolean;
  session?: string;
  forced?: boolean;
  recovered?: boolean;
  reason?: string;
  from?: number;
  to?: number;
  code?: string;
  message?: string;
  reconnect?: boolean;
  retry_after?: number;
  subscribers?: number;
  lagging?: number;
  duplicate?: boolean;
  sessions?: number;
  users?: number;
  members?: Member[];
  joined?: Member;
  left?: Member;
  messages?: Heard[];
  more?: boolean;
}

/** A command, before it is written as JSON. */
export interface Command {
  type: 'subscribe' | 'unsubscribe' | 'publish' | 'presence' | 'history' | 'call' | 'authenticate' | 'ping';
  id?: number;
  channel?: string | undefined;
  cursor?: string | undefined;
  presence?: boolean | undefined;
  data?: unknown;
  encoding?: 'base64' | undefined;
  event?: string | undefined;
  key?: string | undefined;
  idempotency_key?: string;
  method?: string;
  token?: string;
  limit?: number | undefined;
}

/** A session in a channel. */
export interface Member {
  readonly session: string;
  readonly user?: string;
  /** What the server tells of it. */
  readonly info?: unknown;
}

export const ping = '{"type":"ping"}';
