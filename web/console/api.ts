// Asking the node. What it refuses, and what does not come back, becomes an Error with words for people.

/** That the node refused something, or could not be asked (status 0). */
export class Refusal extends Error {
  override name = 'Refusal';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Milliseconds after which the node wants to be asked again; 0 if it did not say. */
    readonly wait = 0,
  ) {
    super(message);
  }
}

/** The values of a query; undefined and '' are left out. */
export type Query = Record<string, string | number | undefined>;

export class Api {
  /** Called when the node does not take the token. */
  unauthorized: (why: Refusal) => void = () => {};

  constructor(
    private readonly token: string,
    private readonly base = 'api/', // beside the page,
  ) {}

  async get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return (await this.fetch(path + search(query), signal ? { signal } : {})).json() as Promise<T>;
  }

  async post<T>(path: string, body: object = {}): Promise<T> {
    const answer = await this.fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    return answer.json() as Promise<T>;
  }

  /** Answers with what is not refused. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('Authorization', `Bearer ${this.token}`);
    let answer: Response;
    try {
      answer = await fetch(this.base + path, { ...init, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Refusal(0, '', 'The node cannot be reached.');
    }
    if (answer.ok) return answer;
    const refusal = await refusalOf(answer);
    if (refusal.status === 401) this.unauthorized(refusal);
    throw refusal;
  }
}

/** A query, with its question mark if it has anything. */
export function search(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
}

async function refusalOf(answer: Response): Promise<Refusal> {
  let code = '';
  let words = `The node answered ${answer.status} ${answer.statusText}.`;
  if (answer.headers.get('Content-Type')?.startsWith('application/problem+json')) {
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    code = problem.code ?? '';
    words = problem.detail ? sentence(problem.detail) : words;
  }
  return new Refusal(answer.status, code, words, Number(answer.headers.get('Retry-After') ?? 0) * 1000 || 0);
}

/** What the node says begins in lower case and has no full stop. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? '' : '.');
}

/** What went wrong, in words. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
