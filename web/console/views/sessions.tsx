// The sessions of this node, page by page.

import { useEffect, useState } from 'preact/hooks';
import { Badge, Empty, Fresh, Head, Trouble } from '../parts/bits.tsx';
import { Find } from '../parts/find.tsx';
import { Pager } from '../parts/pager.tsx';
import { Table } from '../parts/table.tsx';
import { bytes, count, duration, transport } from '../format.ts';
import { go, link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import type { Page, Session, SessionDetail } from '../types.ts';

const every = 5000; // ms
const atOnce = 6; // pings that are waited for

/** Seconds by session; null did not answer. */
type RoundTrips = Record<string, number | null>;

export function Sessions({ query }: { query: Record<string, string> }) {
  const { api } = useShared();
  const { find = '', after = '' } = query;
  const asked = useAsk<Page & { sessions: Session[] }>(api, 'sessions', { find, after }, every);
  const { sessions = [], total = 0, next = '' } = asked.value ?? {};
  const { trips, pinging, ping } = useRoundTrips(sessions);
  const to = (change: Record<string, string>) => go(link('sessions', '', { find, ...change }), true);
  const trip = ({ id }: Session) => (id in trips ? (trips[id] === null ? <span class="faint">none</span> : duration(trips[id]!)) : <span class="faint">–</span>);
  return (
    <>
      <Head title="Sessions" lead="Clients of this node."><Fresh asked={asked} /></Head>
      <div class="bar">
        <Find label="Find sessions" hint="user, or the beginning of an address or id" value={find} onFind={(text) => to({ find: text })} />
        <button type="button" class="quiet" disabled={pinging || sessions.length === 0} onClick={ping}>{pinging ? 'Pinging…' : 'Measure round trips'}</button>
      </div>
      <Trouble asked={asked} />
      {asked.value && sessions.length === 0 && (
        <Empty>{find ? <>Nothing was found for “{find}”. If it has ended, <a href={link('ended', '', { find })}>see why it dropped</a>.</> : 'Nobody is connected.'}</Empty>
      )}
      {sessions.length > 0 && (
        <Table
          label="Sessions" rows={sessions} id={({ id }) => id} onOpen={({ id }) => go(link('sessions', id))} busy={asked.busy}
          columns={[
            { title: 'User', cell: ({ user }) => (user ? <b>{user}</b> : <span class="faint">anonymous</span>) },
            { title: 'Session', wide: true, cell: ({ id }) => <a href={link('sessions', id)} tabIndex={-1}><code>{id}</code></a> },
            { title: 'Address', cell: ({ address }) => address },
            { title: 'Transport', cell: (s) => transport(s.transport) },
            { title: 'Protocol', cell: ({ protocol }) => <Badge>{protocol}</Badge> },
            { title: 'Round trip', number: true, cell: trip },
            { title: 'Queue', number: true, cell: ({ queue }) => <QueueOf {...queue} /> },
            { title: 'Age', number: true, cell: (s) => duration(Math.floor(s.age_seconds)) },
          ]}
        />
      )}
      <Pager of={find} after={after} next={next} shown={sessions.length} total={total} what="sessions" onGo={(place) => to({ after: place })} />
    </>
  );
}

export function QueueOf({ items, bytes: waiting }: Session['queue']) {
  if (items === 0 && waiting === 0) return <span class="faint">empty</span>;
  return <Badge tone="warn">{items > 0 && `${count(items)} behind`}{items > 0 && waiting > 0 && ', '}{waiting > 0 && bytes(waiting)}</Badge>;
}

/** Round trips are measured when they are asked for: each is a ping to a client. */
function useRoundTrips(sessions: Session[]) {
  const { api } = useShared();
  const [trips, set] = useState<RoundTrips>({});
  const [run, setRun] = useState<string[]>();
  useEffect(() => {
    if (!run) return;
    const over = new AbortController();
    const waiting = [...run];
    const worker = async () => {
      for (let id = waiting.shift(); id !== undefined && !over.signal.aborted; id = waiting.shift()) {
        const detail = await api.get<SessionDetail>(`sessions/${id}`, {}, over.signal).catch(() => undefined);
        const took = detail?.round_trip_seconds ?? null;
        const of = id;
        if (!over.signal.aborted) set((all) => ({ ...all, [of]: took }));
      }
    };
    void Promise.all(Array.from({ length: atOnce }, worker)).then(() => over.signal.aborted || setRun(undefined));
    return () => over.abort();
  }, [run]);
  return { trips, pinging: run !== undefined, ping: () => setRun(sessions.map(({ id }) => id)) };
}
