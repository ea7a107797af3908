// The token: from the address, out of which it is taken at once, or typed; kept for as long as the tab is open.

const key = 'ringdown.console.token';

/** Takes the token out of an address like #token=…, and remembers it; false if there is none. */
export function takeToken(place: Pick<Location, 'hash' | 'pathname' | 'search'>, history: Pick<History, 'replaceState'>, kept: Pick<Storage, 'setItem'>): boolean {
  if (!place.hash.startsWith('#token=')) return false;
  const [token = '', ...rest] = place.hash.slice('#token='.length).split('&');
  const view = rest.find((part) => part.startsWith('/')) ?? '/';
  history.replaceState(null, '', `${place.pathname}${place.search}#${view}`);
  try {
    kept.setItem(key, decodeURIComponent(token));
  } catch {
    kept.setItem(key, token); // what is not escaped
  }
  return true;
}

export const keptToken = (): string => sessionStorage.getItem(key) ?? '';
export const keepToken = (token: string): void => sessionStorage.setItem(key, token);
export const dropToken = (): void => sessionStorage.removeItem(key);
