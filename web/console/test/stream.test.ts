import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refusal } from '../api.ts';
import { backoff, follow, Lines, type Line } from '../stream.ts';

describe('lines', () => {
  it('are put together from pieces, without empty ones', () => {
    const lines = new Lines();
    expect(lines.add('{"a"')).toEqual([]);
    expect(lines.add(':1}\n\n{"b":2}\n{')).toEqual(['{"a":1}', '{"b":2}']);
    expect(lines.add('}\n')).toEqual(['{}']);
  });
});

describe('backoff', () => {
  it('doubles up to a bound, and is spread', () => {
    expect([0, 1, 2, 3, 10, 1000].map((tries) => backoff(tries, 1))).toEqual([500, 1000, 2000, 4000, 15_000, 15_000]);
    expect(backoff(5, 0.5)).toBe(7500);
    expect(backoff(5, 0)).toBe(200);
  });
});

/** A node whose answers are given by hand. */
function node() {
  const asked: { answer: (body: ReadableStream) => void; refuse: (why: Error) => void; signal: AbortSignal }[] = [];
  const fetch = (_: string, init?: RequestInit) =>
    new Promise<Response>((answer, refuse) => {
      const signal = init!.signal!;
      signal.addEventListener('abort', () => refuse(new DOMException('aborted', 'AbortError')));
      asked.push({ answer: (body) => answer(new Response(body)), refuse, signal });
    });
  return { asked, fetch };
}

/** A body that is written by hand. */
function body(signal: AbortSignal) {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c) });
  signal.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')));
  return { stream, write: (text: string) => controller.enqueue(new TextEncoder().encode(text)), end: () => controller.close() };
}

function listen(fetch: ReturnType<typeof node>['fetch']) {
  const heard: unknown[] = [];
  const lines: Line[] = [];
  let begun = 0;
  const stop = follow({ fetch }, 'samples', { begins: () => begun++, values: (all) => heard.push(...all), line: (line) => lines.push(line) });
  return { heard, lines, stop, begun: () => begun, last: () => lines.at(-1) };
}

const settle = () => vi.advanceTimersByTimeAsync(1);

describe('a stream', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(1);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('hands over what comes, and goes on after it broke', async () => {
    const { asked, fetch } = node();
    const ears = listen(fetch);
    const one = body(asked[0]!.signal);
    asked[0]!.answer(one.stream);
    await settle();
    one.write('{"n":1}\n{"n":');
    one.write('2}\n');
    await settle();
    expect(ears.heard).toEqual([{ n: 1 }, { n: 2 }]);
    expect(ears.last()).toEqual({ state: 'live' });

    one.end();
    await settle();
    expect(ears.last()).toMatchObject({ state: 'waiting', why: 'The stream has ended.' });
    await vi.advanceTimersByTimeAsync(600);
    const two = body(asked[1]!.signal);
    asked[1]!.answer(two.stream);
    await settle();
    two.write('{"n":3}\n');
    await settle();
    expect(ears.heard.at(-1)).toEqual({ n: 3 });
    expect(ears.begun()).toBe(2);
    ears.stop();
    expect(asked[1]!.signal.aborted).toBe(true);
  });

  it('waits longer each time, and as long as it is told to', async () => {
    const { asked, fetch } = node();
    const ears = listen(fetch);
    asked[0]!.refuse(new Refusal(0, '', 'The node cannot be reached.'));
    await vi.advanceTimersByTimeAsync(510);
    expect(asked.length).toBe(2);
    asked[1]!.refuse(new Refusal(0, '', 'The node cannot be reached.'));
    await vi.advanceTimersByTimeAsync(900);
    expect(asked.length).toBe(2);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.length).toBe(3);
    asked[2]!.refuse(new Refusal(503, 'unavailable', 'Too many streams are open.', 60_000));
    await vi.advanceTimersByTimeAsync(59_000);
    expect(asked.length).toBe(3);
    expect(ears.last()).toMatchObject({ state: 'waiting', why: 'Too many streams are open.' });
    await vi.advanceTimersByTimeAsync(1100);
    expect(asked.length).toBe(4);
    ears.stop();
  });

  it('is given up when it is silent for longer than the node ever is', async () => {
    const { asked, fetch } = node();
    const ears = listen(fetch);
    const line = body(asked[0]!.signal);
    asked[0]!.answer(line.stream);
    await settle();
    await vi.advanceTimersByTimeAsync(30_000);
    line.write('\n'); // a sign of life
    await vi.advanceTimersByTimeAsync(30_000);
    expect(ears.last()).toEqual({ state: 'live' });
    await vi.advanceTimersByTimeAsync(10_500);
    expect(asked[0]!.signal.aborted).toBe(true);
    expect(asked.length).toBe(2);
    ears.stop();
  });

  it('ends when the token is not taken', async () => {
    const { asked, fetch } = node();
    const ears = listen(fetch);
    asked[0]!.refuse(new Refusal(401, 'unauthorized', 'This is not the token.'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBe(1);
    expect(ears.lines).toEqual([{ state: 'connecting' }]);
  });
});
