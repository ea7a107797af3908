// What goes wrong, as programs see it.

/**
 * Codes of this side, beside those of the server (docs/errors.md):
 *
 * - `closed`: the client was closed.
 * - `lost`: the connection broke before the answer to a call came; nobody knows whether it was handled.
 * - `unknown_outcome`: a publication was sent, the answer did not come, and it has been too long to send it again safely.
 * - `queue_full`: more waits to be sent than {@link ClientOptions.queue} allows.
 * - `dropped`: a newer publication took this one's place in the full queue.
 * - `unsubscribed`: the server, or this side, took the client out of the channel.
 * - `needs_websocket`: the present transport has no way to do this.
 * - `silent`, `unreachable`: a connection that passes nothing, or cannot be made.
 */
export type LocalCode =
  | 'closed'
  | 'lost'
  | 'unknown_outcome'
  | 'queue_full'
  | 'dropped'
  | 'unsubscribed'
  | 'needs_websocket'
  | 'silent'
  | 'unreachable';

/** A refusal by the server, or a failure on this side. The message is a sentence for people. */
export class RingdownError extends Error {
  override readonly name = 'RingdownError';
  /** A code of the server's (docs/errors.md), or a {@link LocalCode}. */
  readonly code: string;

  constructor(code: LocalCode | (string & {}), message: string) {
    super(message);
    this.code = code;
  }
}
