// The frame around the views: the bar, the way between them, the keys that hold everywhere, and that what is shown is old if it is.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Api, Refusal } from './api.ts';
import { Badge } from './parts/bits.tsx';
import { Dialog } from './parts/dialog.tsx';
import { LineOf, Stale } from './parts/line.tsx';
import type { Route } from './route.ts';
import { Context, Live, useAsk, useLive, useRoute, useShared } from './state.ts';
import { dropToken, keepToken, keptToken } from './token.ts';
import type { Node } from './types.ts';
import { Channel } from './views/channel.tsx';
import { Channels } from './views/channels.tsx';
import { Config } from './views/config.tsx';
import { Ended } from './views/ended.tsx';
import { Log } from './views/log.tsx';
import { Login } from './views/login.tsx';
import { Nodes } from './views/nodes.tsx';
import { Overview } from './views/overview.tsx';
import { Session } from './views/session.tsx';
import { Sessions } from './views/sessions.tsx';
import favicon from '../plain/favicon.svg?url';

/** The views by the name that they have in the address, and the path of an icon. */
const views: [name: string, title: string, icon: string][] = [
  ['', 'Overview', 'M3 14l4-5 3 3 6-8M3 17h14'],
  ['nodes', 'Nodes', 'M4 4h12v5H4zM4 11h12v5H4zM7 6.5h.01M7 13.5h.01'],
  ['channels', 'Channels', 'M4 10a6 6 0 0 1 12 0M7 10a3 3 0 0 1 6 0M10 10v6'],
  ['sessions', 'Sessions', 'M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17a6 6 0 0 1 12 0'],
  ['ended', 'Why did it drop?', 'M4 10h4l2-4 2 8 1-4M16 7l-3 6M13 7l3 6'],
  ['log', 'Log', 'M4 5h12M4 9h12M4 13h8'],
  ['config', 'Configuration', 'M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4'],
];

const nodeEvery = 5000; // ms

export function App() {
  const [token, setToken] = useState(keptToken);
  const [why, setWhy] = useState('');
  useEffect(() => {
    const changed = () => setToken(keptToken()); // somebody has pasted another address
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const leave = (because = '') => {
    dropToken();
    setWhy(because);
    setToken('');
  };
  const api = useMemo(() => {
    const made = new Api(token);
    made.unauthorized = (refusal) => leave(refusal.message);
    return made;
  }, [token]);
  const taken = useTaken(api, token);
  if (!token) return <Login why={why} onToken={(typed) => { keepToken(typed); setWhy(''); setToken(typed); }} />;
  return taken ? <Inside key={token} api={api} leave={() => leave()} /> : <main class="login" id="main" aria-busy="true"><p class="faint">Connecting…</p></main>;
}

/** Whether the node takes the token, asked once: views ask for several things at a time, and a wrong token counts with each. A node that cannot be reached has not said no. */
function useTaken(api: Api, token: string): boolean {
  const [taken, set] = useState<Api>();
  useEffect(() => {
    if (!token) return;
    const over = new AbortController();
    api.get('node', {}, over.signal).then(() => set(api), (error: unknown) => {
      if (!over.signal.aborted && !(error instanceof Refusal && error.status === 401)) set(api);
    });
    return () => over.abort();
  }, [api, token]);
  return taken === api;
}

function Inside({ api, leave }: { api: Api; leave: () => void }) {
  const live = useMemo(() => new Live(), [api]);
  useEffect(() => live.start(api), [api, live]);
  const node = useAsk<Node>(api, 'node', {}, nodeEvery);
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const [help, setHelp] = useState(false);
  useArrival(route, main);
  useKeys(() => setHelp(true));
  const name = node.value?.name ?? '';
  const title = views.find(([view]) => view === route.view)?.[1] ?? 'Not found';
  useEffect(() => { document.title = `${route.id || title} – ${name ? `${name} – ` : ''}Ringdown console`; }, [route, name]);
  return (
    <Context.Provider value={{ api, live, node, leave }}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <Bar onHelp={() => setHelp(true)} />
      <div class="shell">
        <nav class="views" aria-label="Views">
          <ul>
            {views.map(([view, text, icon]) => (
              <li key={view}>
                <a href={`#/${view}`} aria-current={view === route.view ? 'page' : undefined}>
                  <svg viewBox="0 0 20 20" aria-hidden="true"><path d={icon} /></svg>{text}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <main id="main" ref={main} tabIndex={-1}>
          <Freshness />
          <View route={route} />
        </main>
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </Context.Provider>
  );
}

function View({ route: { view, id, query } }: { route: Route }) {
  switch (view) {
    case '': return <Overview />;
    case 'nodes': return <Nodes />;
    case 'channels': return id ? <Channel key={id} name={id} /> : <Channels query={query} />;
    case 'sessions': return id ? <Session key={id} id={id} /> : <Sessions query={query} />;
    case 'ended': return <Ended query={query} />;
    case 'log': return <Log query={query} />;
    case 'config': return <Config query={query} />;
    default: return <section><h2 tabIndex={-1}>There is no such view</h2><p><a href="#/">To the overview</a></p></section>;
  }
}

function Bar({ onHelp }: { onHelp: () => void }) {
  const { node, leave } = useShared();
  const live = useLive();
  const about = node.value;
  return (
    <header>
      <a class="home" href="/" aria-label="Ringdown"><img src={favicon} alt="" /> Ringdown</a>
      <h1>console</h1>
      {about && (
        <p class="node">
          {about.name && <b>{about.name}</b>}
          {about.dev && <Badge>dev mode</Badge>}
          {about.draining && <Badge tone="warn">draining</Badge>}
          {!about.broker.ok && <Badge tone="bad">{about.broker.kind} is out of reach</Badge>}
        </p>
      )}
      <LineOf line={live.line} />
      <button type="button" class="quiet small keys" onClick={onHelp} aria-label="Keys">?</button>
      <button type="button" class="quiet small" onClick={leave}>Leave</button>
    </header>
  );
}

function Freshness() {
  const live = useLive();
  return <Stale line={live.line} since={(live.samples.times.at(-1) ?? 0) * 1000} />;
}

function Help({ onClose }: { onClose: () => void }) {
  const keys: [string, string][] = [
    ['/', 'to the search field'],
    ['↑ ↓', 'from row to row of a table'],
    ['Enter', 'opens a row'],
    ['Esc', 'closes what is open, empties the search field'],
    ['1 to 7', 'the views, in their order'],
    ['?', 'this list'],
  ];
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">{keys.map(([key, does]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}</dl>
    </Dialog>
  );
}

/** Puts the focus on the title of a view that one comes to, so that the keyboard and screen readers go on there. */
function useArrival({ view, id }: Route, main: { current: HTMLElement | null }): void {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) {
      main.current?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    first.current = false;
  }, [view, id]);
}

function useKeys(help: () => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
      if ((event.target as Element).closest('input, textarea, select')) return;
      const view = views[Number(event.key) - 1];
      if (event.key === '/') {
        const field = document.querySelector<HTMLInputElement>('[data-search]');
        if (!field) return;
        event.preventDefault();
        field.focus();
        field.select();
      } else if (event.key === '?') {
        help();
      } else if (view) {
        location.hash = `#/${view[0]}`;
      }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
