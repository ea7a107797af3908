// Streams of the node: JSON on each line of an answer that does not end. One that breaks off, or is silent for too long, is asked for
// again, later and later, until the node is back.

import { type Api, Refusal } from './api.ts';

/** Where a stream stands. */
export type Line = { state: 'connecting' } | { state: 'live' } | { state: 'waiting'; until: number; why: string };

export interface Listener<T> {
  /** The stream begins, again perhaps: what it kept comes once more. */
  begins(): void;
  values(all: T[]): void;
  line(line: Line): void;
}

const quiet = 40_000; // ms of silence after which the line is dead; the node writes something every 15 s
const first = 500; // ms, the bound of the first wait
const longest = 15_000; // ms, of any
const least = 200; // ms

/** How long to wait before the so-many-th try, counted from 0: anything up to a bound that doubles. */
export function backoff(tries: number, random = Math.random()): number {
  return Math.max(least, random * Math.min(longest, first * 2 ** tries));
}

/** Puts lines together from pieces of text. */
export class Lines {
  private rest = '';

  /** The lines that a piece completes, without the empty ones. */
  add(piece: string): string[] {
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop()!;
    return lines.filter((line) => line !== '');
  }
}

/** Listens to a stream until the function returned is called, or the node does not take the token. */
export function follow<T>(api: Pick<Api, 'fetch'>, path: string, listener: Listener<T>): () => void {
  const over = new AbortController();
  void keepOn(api, path, listener, over.signal);
  return () => over.abort();
}

async function keepOn<T>(api: Pick<Api, 'fetch'>, path: string, listener: Listener<T>, over: AbortSignal): Promise<void> {
  for (let tries = 0; !over.aborted; tries++) {
    listener.line({ state: 'connecting' });
    let why = 'The stream has ended.';
    let asked = 0;
    try {
      await listen(api, path, listener, over, () => (tries = 0));
    } catch (error) {
      if (over.aborted || (error instanceof Refusal && error.status === 401)) return;
      why = error instanceof Refusal ? error.message : 'The stream broke off.';
      asked = error instanceof Refusal ? error.wait : 0;
    }
    if (over.aborted) return;
    const wait = Math.max(asked, backoff(tries));
    listener.line({ state: 'waiting', until: Date.now() + wait, why });
    await pause(wait, over);
  }
}

/** Reads one answer to its end. */
async function listen<T>(api: Pick<Api, 'fetch'>, path: string, listener: Listener<T>, over: AbortSignal, heard: () => void): Promise<void> {
  const silent = new AbortController();
  const abort = () => silent.abort();
  over.addEventListener('abort', abort);
  let timer = setTimeout(abort, quiet);
  try {
    const answer = await api.fetch(path, { signal: silent.signal });
    if (over.aborted) return;
    listener.begins();
    listener.line({ state: 'live' });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new Lines();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || over.aborted) return;
      heard();
      clearTimeout(timer);
      timer = setTimeout(abort, quiet);
      const all = lines.add(value).map((line) => JSON.parse(line) as T);
      if (all.length > 0) listener.values(all);
    }
  } finally {
    clearTimeout(timer);
    over.removeEventListener('abort', abort);
  }
}

/** Waits, but not when the browser finds its network again. */
function pause(wait: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', done);
      over.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, wait);
    globalThis.addEventListener?.('online', done);
    over.addEventListener('abort', done);
  });
}
