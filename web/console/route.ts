// Where one is: the part of the address behind #, as #/sessions/abc?find=x, so that every view can be linked to and the browser's
// back button works.

import { search, type Query } from './api.ts';

export interface Route {
  /** '' is the overview. */
  view: string;
  /** What of its kind is shown; '' is the list. */
  id: string;
  query: Record<string, string>;
}

export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [view = '', ...rest] = path.split('/');
  return { view, id: decoded(rest.join('/')), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

export function link(view: string, id = '', query: Query = {}): string {
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ''}${search(query)}`;
}

/** Goes to an address; in place of the present one if it is the same view, but narrowed. */
export function go(href: string, replace = false): void {
  if (!replace) {
    location.hash = href;
    return;
  }
  history.replaceState(null, '', href);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
