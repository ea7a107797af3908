// Why did it drop: sessions that ended and clients that were not let in, each with its cause and what to do about it.

import { useState } from 'preact/hooks';
import { sentence } from '../api.ts';
import { Badge, Empty, Fact, Facts, Fresh, Head, Trouble, type Tone } from '../parts/bits.tsx';
import { Find } from '../parts/find.tsx';
import { Pager } from '../parts/pager.tsx';
import { Table } from '../parts/table.tsx';
import { bytes, duration, moment, time, transport, words } from '../format.ts';
import { go, link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import type { Ending as End, Page } from '../types.ts';

const every = 3000; // ms

const by: Record<End['closed_by'], [Tone, string]> = { client: ['plain', 'client'], server: ['accent', 'server'], network: ['warn', 'network'] };

const filters: [string, string][] = [['', 'All'], ['server', 'By the server'], ['client', 'By the client'], ['network', 'By the network']];

export function Ended({ query }: { query: Record<string, string> }) {
  const { api } = useShared();
  const { find = '', after = '' } = query;
  const [opened, open] = useState('');
  const asked = useAsk<Page & { ended: End[] }>(api, 'ended', { find, after }, after ? 0 : every);
  const { ended = [], total = 0, next = '' } = asked.value ?? {};
  const to = (change: Record<string, string>) => go(link('ended', '', { find, ...change }), true);
  const idOf = (end: End) => String(end.number);
  return (
    <>
      <Head title="Why did it drop?" lead="The last sessions that ended, and clients that were not let in, the newest first."><Fresh asked={asked} /></Head>
      <div class="bar">
        <Find label="Find endings" hint="user, code, transport, or the beginning of an id or address" value={find} onFind={(text) => to({ find: text })} />
        <div class="choice" role="group" aria-label="Who closed">
          {filters.map(([value, name]) => (
            <button key={value} type="button" class="quiet small" aria-pressed={find === value} onClick={() => to({ find: value })}>{name}</button>
          ))}
        </div>
      </div>
      <Trouble asked={asked} />
      {asked.value && ended.length === 0 && <Empty>{find ? `Nothing was found for “${find}”.` : 'Nobody has dropped yet.'}</Empty>}
      {ended.length > 0 && (
        <Table
          label="Endings" rows={ended} id={idOf} opened={opened} onOpen={(end) => open(opened === idOf(end) ? '' : idOf(end))} busy={asked.busy}
          below={(end) => <Ending end={end} />}
          columns={[
            { title: 'Time', cell: (end) => time(end.time) },
            { title: 'Who', cell: (end) => <Who end={end} /> },
            { title: 'Transport', cell: (end) => transport(end.transport) || '–' },
            { title: 'Closed by', cell: ({ closed_by, refused }) => (refused ? <Badge tone="bad">not let in</Badge> : <Badge tone={by[closed_by][0]}>{by[closed_by][1]}</Badge>) },
            { title: 'Code', cell: (end) => <CodeOf end={end} /> },
            { title: 'Cause', wide: true, cell: ({ cause }) => <span class="clamp">{sentence(cause)}</span> },
            { title: 'Age', number: true, cell: (end) => (end.refused ? '–' : duration(end.age_seconds < 10 ? end.age_seconds : Math.floor(end.age_seconds))) },
          ]}
        />
      )}
      <Pager of={find} after={after} next={next} shown={ended.length} total={total} what="endings" onGo={(place) => to({ after: place })} />
    </>
  );
}

function Who({ end }: { end: End }) {
  return <>{end.user ? <b>{end.user}</b> : end.id ? <code>{end.id.slice(0, 10)}</code> : <span class="faint">unknown</span>} <span class="faint">{end.address}</span></>;
}

function CodeOf({ end }: { end: End }) {
  return <>{end.code && <code>{end.code}</code>} {end.close_code > 0 && <Badge>{end.close_code}</Badge>}{!end.code && !end.close_code && <span class="faint">none</span>}</>;
}

/** An ending in full. */
export function Ending({ end }: { end: End }) {
  return (
    <div class="ending">
      <p class="cause">{sentence(end.cause)}</p>
      <p class="advice"><b>What to do</b> {end.advice.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</p>
      <Facts>
        <Fact name="When">{moment(end.time)}</Fact>
        {end.id && <Fact name="Session"><code>{end.id}</code></Fact>}
        {end.user && <Fact name="User"><a href={link('sessions', '', { find: end.user })}>{end.user}</a></Fact>}
        <Fact name="Address"><a href={link('ended', '', { find: end.address })}>{end.address}</a></Fact>
        <Fact name="Transport">{transport(end.transport)} {end.protocol && <Badge>{words(end.protocol)}</Badge>}</Fact>
        <Fact name="Closed by">{end.refused ? 'the server, which did not let it in' : `the ${end.closed_by}`}</Fact>
        <Fact name="Code"><CodeOf end={end} /></Fact>
        {!end.refused && <Fact name="It stayed">{duration(end.age_seconds)}</Fact>}
        {end.queue_bytes > 0 && <Fact name="Still waiting for it">{bytes(end.queue_bytes)}</Fact>}
      </Facts>
    </div>
  );
}
