// The states of a client, and which may follow which.

import type { RingdownError } from './errors.js';
import type { TransportName } from './transports/transport.js';

/**
 * Where a client is in its life. It begins in `connecting`.
 *
 * - `connecting`: an attempt is being made, over one transport after the other.
 * - `open`: messages pass, both ways.
 * - `waiting`: until the next attempt.
 * - `closed`: for good.
 */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

/** A change of state. */
export interface Change {
  readonly from: State;
  readonly to: State;
  /** Why it is `waiting` or `closed`. */
  readonly cause?: RingdownError;
  /** How long it will be `waiting`, in ms; not there while the page is asleep. */
  readonly wait?: number;
  /** What it is `open` over. */
  readonly transport?: TransportName;
}

const leadsTo: Record<State, readonly State[]> = {
  connecting: ['open', 'waiting', 'closed'],
  open: ['waiting', 'closed'],
  waiting: ['connecting', 'closed'],
  closed: [],
};

/** The state that follows. An illegal one is a bug of ours. */
export function follow(from: State, to: State): State {
  if (!leadsTo[from].includes(to)) throw new Error(`ringdown: ${from} cannot become ${to}`);
  return to;
}
