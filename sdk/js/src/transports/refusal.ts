// An HTTP answer that is not what was asked for, and what it means for the line.

import type { Ending } from './transport.js';

/** What an HTTP request came to that was not answered as it should be. */
export class Refusal extends Error {
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(ending.message);
    this.ending = ending;
  }
}

/** Reads what is said with a status that is no success (RFC 9457). */
export async function refusal(response: Response): Promise<Refusal> {
  let problem: { code?: string; detail?: string } = {};
  try {
    problem = (await response.json()) as typeof problem;
  } catch {
    // not the server's words: something in between has answered
  }
  const code = problem.code ?? (response.status === 401 ? 'unauthorized' : undefined); // an answer to HEAD has no words
  const seconds = Number(response.headers.get('Retry-After'));
  return new Refusal({
    kind: code ? 'told' : 'unreachable',
    message: problem.detail ?? `answered with status ${response.status}`,
    status: response.status,
    ...(code && { code }),
    ...(seconds > 0 && { retryAfter: seconds * 1000 }),
  });
}

/** Tells whether a refusal is about one request only, so that the line goes on: not about the token, the page or the server's state. */
export function isOfRequest({ code, status = 0 }: Ending): boolean {
  return code !== undefined && status !== 401 && status < 500 && code !== 'foreign_origin' && code !== 'disconnected';
}
