// The channels of this node, page by page.

import { Empty, Fresh, Head, Trouble } from '../parts/bits.tsx';
import { Find } from '../parts/find.tsx';
import { Pager } from '../parts/pager.tsx';
import { Table } from '../parts/table.tsx';
import { count } from '../format.ts';
import { go, link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import type { ListedChannel, Page } from '../types.ts';

const every = 5000; // ms

export function Channels({ query }: { query: Record<string, string> }) {
  const { api } = useShared();
  const { pattern = '', sort = 'subscribers', after = '' } = query;
  const asked = useAsk<Page & { channels: ListedChannel[] }>(api, 'channels', { pattern: asPattern(pattern), sort, after }, every);
  const { channels = [], total = 0, next = '' } = asked.value ?? {};
  const to = (change: Record<string, string>) => go(link('channels', '', { pattern, sort, ...change }), true);
  const open = ({ channel }: ListedChannel) => go(link('channels', channel));
  return (
    <>
      <Head title="Channels" lead="Those of this node that somebody is subscribed to. One without subscribers opens by its name."><Fresh asked={asked} /></Head>
      <div class="bar">
        <Find label="Find channels by pattern" hint="chat:*, or the beginning of a name" value={pattern} onFind={(text) => to({ pattern: text })} />
        {pattern && !pattern.includes('*') && <a href={link('channels', pattern)}>Open <b>{pattern}</b></a>}
      </div>
      <Trouble asked={asked} />
      {asked.value && channels.length === 0 && <Empty>{pattern ? `No channel is called ${asPattern(pattern)}.` : 'Nobody is subscribed to anything.'}</Empty>}
      {channels.length > 0 && (
        <Table
          label="Channels" rows={channels} id={({ channel }) => channel} onOpen={open} busy={asked.busy}
          columns={[
            {
              title: 'Channel', wide: true, ...(sort === 'name' ? { sorted: 'ascending' as const } : {}), onSort: () => to({ sort: 'name' }),
              cell: ({ channel }) => <a href={link('channels', channel)} tabIndex={-1}>{channel}</a>,
            },
            {
              title: 'Subscribers', number: true, ...(sort === 'subscribers' ? { sorted: 'descending' as const } : {}), onSort: () => to({ sort: 'subscribers' }),
              cell: ({ subscribers }) => count(subscribers),
            },
          ]}
        />
      )}
      <Pager of={pattern + sort} after={after} next={next} shown={channels.length} total={total} what="channels" onGo={(place) => to({ after: place })} />
    </>
  );
}

/** What is typed is the beginning of a name, unless it says otherwise. */
const asPattern = (text: string) => (text === '' || text.includes('*') ? text : `${text}*`);
