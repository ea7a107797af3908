// What all views share: the API, the samples, the node, and hooks that ask and listen.

import { createContext } from 'preact';
import { useContext, useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { type Api, Refusal, search, wordsOf, type Query } from './api.ts';
import { parse, type Route } from './route.ts';
import { Samples } from './samples.ts';
import { follow, type Line } from './stream.ts';
import type { Node, Sample } from './types.ts';

export interface Shared {
  api: Api;
  live: Live;
  node: Asked<Node>;
  /** Forgets the token. */
  leave(): void;
}

export const Context = createContext<Shared>(undefined!);
export const useShared = (): Shared => useContext(Context);

/** The samples, kept for as long as the console is open, whatever view shows. */
export class Live {
  readonly samples = new Samples();
  line: Line = { state: 'connecting' };
  private readonly listeners = new Set<() => void>();

  /** Begins to listen; the function returned ends it. */
  start(api: Api): () => void {
    return follow<Sample>(api, 'samples', {
      begins: () => {},
      values: (all) => {
        this.samples.add(all);
        this.changed();
      },
      line: (line) => {
        this.line = line;
        this.changed();
      },
    });
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** Renders again with every sample. */
export function useLive(): Live {
  const { live } = useShared();
  const again = useRender();
  useEffect(() => live.subscribe(again), [live]);
  return live;
}

export function useRender(): () => void {
  return useReducer<number, void>((n) => n + 1, 0)[1] as () => void;
}

/** Renders again every so many milliseconds. */
export function useTick(every: number): void {
  const again = useRender();
  useEffect(() => {
    const timer = setInterval(again, every);
    return () => clearInterval(timer);
  }, [every]);
}

export function useRoute(): Route {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => set(parse(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** What was asked for: the last answer, and why there is no newer one. */
export interface Asked<T> {
  value: T | undefined;
  error: Refusal | undefined;
  /** When the value came; 0 if there is none. */
  at: number;
  busy: boolean;
  again(): void;
}

/** Asks the node, and again every so many milliseconds while the page is visible. Of another path the last answer stays until one has come. */
export function useAsk<T>(api: Api, path: string, query: Query = {}, every = 0): Asked<T> {
  const [asked, set] = useState<Omit<Asked<T>, 'again'>>({ value: undefined, error: undefined, at: 0, busy: true });
  const ask = useRef(() => {});
  const whole = path + search(query);
  useEffect(() => {
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running = false;
    const run = async () => {
      if (running) return;
      running = true;
      clearTimeout(timer);
      set((last) => ({ ...last, busy: true }));
      try {
        const value = await api.get<T>(whole, {}, over.signal);
        if (!over.signal.aborted) set({ value, error: undefined, at: Date.now(), busy: false });
      } catch (error) {
        if (over.signal.aborted) return;
        const refusal = error instanceof Refusal ? error : new Refusal(0, '', wordsOf(error));
        set((last) => ({ ...last, error: refusal, busy: false }));
      }
      running = false;
      if (every > 0 && !over.signal.aborted && !document.hidden) timer = setTimeout(run, every);
    };
    const shown = () => !document.hidden && every > 0 && void run();
    document.addEventListener('visibilitychange', shown);
    ask.current = () => void run();
    void run();
    return () => {
      over.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [api, whole, every]);
  return { ...asked, again: () => ask.current() };
}
