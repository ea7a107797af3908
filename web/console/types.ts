// What the console's API answers, as docs/console.md describes it.

/** RFC 3339, in UTC. */
export type Stamp = string;

export interface Node {
  name: string;
  version: string;
  go: string;
  started: Stamp;
  uptime_seconds: number;
  dev: boolean;
  draining: boolean;
  can_drain: boolean;
  broker: { kind: string; ok: boolean; error?: string };
  limits: { sessions: number; subscriptions: number; message_bytes: number; outbox_bytes: number; history_bytes: number };
}

export interface Peer {
  name: string;
  self: boolean;
  version: string;
  started: Stamp | null;
  heard: Stamp | null;
  health: 'ok' | 'draining' | 'silent';
  sessions: number;
  channels: number;
  subscriptions: number;
  publications: number;
  deliveries: number;
}

/** The node at one moment; what is not open now is counted since its start. */
export interface Sample {
  time: Stamp;
  connections: Record<string, number>;
  sessions: number;
  channels: number;
  subscriptions: number;
  messages_in: number;
  messages_out: number;
  bytes_in: number;
  bytes_out: number;
  publications: number;
  deliveries: number;
  drops: number;
  gaps: number;
  refusals: number;
  ended: number;
  loop_lag_seconds: number;
  memory_bytes: number;
  heap_bytes: number;
  goroutines: number;
  cpu_seconds: number;
}

/** A page of a list: next is the after of the one that follows. */
export interface Page {
  total: number;
  next: string;
}

export interface ListedChannel {
  channel: string;
  subscribers: number;
}

export interface Channel {
  channel: string;
  subscribers: number;
  presence: { sessions: number; users: number } | null;
  policy: {
    pattern: string;
    subscribe: string;
    publish: string;
    presence: boolean;
    last: boolean;
    slow: string;
    history_count: number;
    history_age_seconds: number;
    backlog_bytes: number;
    payload_bytes: number;
  };
  epoch: string;
  offset: number;
  first: number;
  kept: number;
}

export interface Message {
  offset: number;
  cursor: string;
  time: Stamp;
  event?: string;
  data: unknown;
  encoding?: 'base64';
  bytes: number;
  key?: string;
  user?: string;
  session?: string;
}

export interface HistoryPage {
  channel: string;
  epoch: string;
  offset: number;
  messages: Message[];
  before: number;
  after: string;
  lost: boolean;
}

export interface Published {
  channel: string;
  offset: number;
  cursor: string;
  time: Stamp;
  subscribers: number;
  lagging: number;
}

export interface Session {
  id: string;
  node: string;
  user: string;
  address: string;
  transport: string;
  protocol: string;
  subprotocol: string;
  compression: boolean;
  connected: Stamp;
  age_seconds: number;
  expires: Stamp | null;
  queue: { items: number; bytes: number };
}

export interface SessionDetail extends Session {
  round_trip_seconds: number | null;
  channels: string[];
  channels_total: number;
}

export interface Ending {
  time: Stamp;
  id: string;
  user: string;
  address: string;
  transport: string;
  protocol: string;
  refused: boolean;
  closed_by: 'client' | 'server' | 'network';
  code: string;
  close_code: number;
  cause: string;
  advice: string;
  age_seconds: number;
  queue_bytes: number;
  number: number;
}

export interface LogRecord {
  time: Stamp;
  level: 'INFO' | 'WARN' | 'ERROR';
  message: string;
  fields: Record<string, string>;
}

export interface ConfigValue {
  key: string;
  value: string;
  source: 'default' | 'file' | 'environment' | 'flag';
  where: string;
}

export interface Frame {
  seq: number;
  time: Stamp;
  direction: 'in' | 'out';
  opcode: string;
  fin: boolean;
  rsv1: boolean;
  masked: boolean;
  wire_bytes: number;
  /** null for a part of a compressed message. */
  inflated_bytes: number | null;
  payload?: string;
  payload_base64?: string;
  truncated?: boolean;
  redacted?: boolean;
}

export interface FramePage {
  frames: Frame[];
  next: number;
  missed: number;
  /** The session has, and no frame follows. */
  ended: boolean;
}
