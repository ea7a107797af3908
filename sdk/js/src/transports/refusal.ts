// An HTTP answer that is not what was asked for, and what it means for the line.

import type { Ending } from './transport.js';

// Refusals of HEAD, whose answer has no words.
const wordless: Record<number, string> = { 401: 'unauthorized', 403: 'not_allowed' };

/** What an HTTP request came to that was not answered as it should be. */
export class Refusal extends Error {
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(ending.message);
    this.ending = ending;
  }
}

/** Tells whether an answer is of a type: what answers in the server's place, to have somebody log in for instance, says something else. */
export function isOf(response: Response, type: string): boolean {
  return response.headers.get('Content-Type')?.split(';')[0] === type;
}

/** Reads an answer that is none to what was asked: the server's refusal (RFC 9457), or what something in between says. */
export async function refusal(response: Response): Promise<Refusal> {
  let problem: { code?: string; detail?: string } = {};
  if (isOf(response, 'application/problem+json')) {
    problem = (await response.json().catch(() => ({ code: wordless[response.status] }))) as typeof problem;
  }
  const { code } = problem;
  const seconds = Number(response.headers.get('Retry-After'));
  return new Refusal({
    kind: code ? 'told' : 'unreachable',
    message: problem.detail ?? `answered with status ${response.status} and ${response.headers.get('Content-Type')}`,
    status: response.status,
    ...(code && { code }),
    ...(seconds > 0 && { retryAfter: seconds * 1000 }),
  });
}

/** Tells whether a refusal is about one request only, so that the line goes on: not about the token, the page or the server's state. */
export function isOfRequest({ code, status = 0 }: Ending): boolean {
  return code !== undefined && status !== 401 && status < 500 && code !== 'foreign_origin' && code !== 'disconnected';
}
