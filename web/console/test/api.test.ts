import { afterEach, expect, it, vi } from 'vitest';
import { Api, Refusal, search, sentence } from '../api.ts';

afterEach(() => vi.unstubAllGlobals());

/** Has the node answer with something, and returns what it was asked. */
function answering(answer: () => Response | Promise<Response>) {
  const asked: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer();
  });
  return asked;
}

const problem = (status: number, code: string, detail: string, headers: Record<string, string> = {}) => () =>
  new Response(JSON.stringify({ code, detail, status }), { status, headers: { 'Content-Type': 'application/problem+json', ...headers } });

it('sends the token in a header, and nothing else that could tell who asks', async () => {
  const asked = answering(() => Response.json({ sessions: [] }));
  await new Api('secret').get('sessions', { find: 'ann & bob', after: '', limit: 5 });
  expect(asked[0]!.url).toBe('api/sessions?find=ann+%26+bob&limit=5');
  expect(new Headers(asked[0]!.init.headers).get('Authorization')).toBe('Bearer secret');
  expect(asked[0]!.init.credentials).toBe('omit');
});

it('says what the node says', async () => {
  answering(problem(404, 'not_found', 'there is no session "x" on this node', { 'Retry-After': '5' }));
  const why = await new Api('secret').get('sessions/x').catch((error: unknown) => error);
  expect(why).toMatchObject({ status: 404, code: 'not_found', message: 'There is no session "x" on this node.', wait: 5000 });
});

it('has words for what is no problem of the node, and for none at all', async () => {
  answering(() => new Response('<html>', { status: 502, statusText: 'Bad Gateway' }));
  await expect(new Api('secret').get('node')).rejects.toThrow('The node answered 502 Bad Gateway.');
  answering(() => Promise.reject(new TypeError('Failed to fetch')));
  await expect(new Api('secret').get('node')).rejects.toMatchObject({ status: 0, message: 'The node cannot be reached.' });
});

it('tells of a token that is not taken', async () => {
  answering(problem(401, 'unauthorized', 'this is not the console’s token'));
  const api = new Api('wrong');
  const told: Refusal[] = [];
  api.unauthorized = (why) => told.push(why);
  await expect(api.post('drain')).rejects.toThrow('This is not the console’s token.');
  expect(told.length).toBe(1);
});

it('makes sentences and queries', () => {
  expect(sentence('read this; then that')).toBe('Read this; then that.');
  expect(sentence('Done!')).toBe('Done!');
  expect(search({})).toBe('');
});
