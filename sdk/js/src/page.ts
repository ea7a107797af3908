// What a page is told by its browser that concerns the line: it is looked at again, the network has changed, it goes to sleep and wakes.

/** What of it there is to be done. */
export interface Pageside {
  look(network: boolean): void;
  sleep(): void;
  wake(): void;
}

interface Page extends EventTarget {
  document?: EventTarget & { visibilityState?: string };
}

/** Listens to the page, if this is one, until what is returned is called. */
export function watchPage(side: Pageside, page: Page = globalThis as unknown as Page): () => void {
  const { document } = page;
  if (!document || typeof page.addEventListener !== 'function') return () => {};
  const listening = new AbortController();
  const on = (target: EventTarget, name: string, run: (event: Event) => void) =>
    target.addEventListener(name, run, { signal: listening.signal });
  const persisted = (event: Event) => (event as PageTransitionEvent).persisted;
  on(page, 'online', () => side.look(true));
  on(page, 'offline', () => side.look(false)); // a line that dies with the network is noticed at once
  on(document, 'visibilitychange', () => document.visibilityState === 'visible' && side.look(false));
  on(document, 'resume', () => side.look(false)); // a tab that was frozen
  on(page, 'pagehide', (event) => persisted(event) && side.sleep());
  on(page, 'pageshow', (event) => persisted(event) && side.wake());
  return () => listening.abort();
}
