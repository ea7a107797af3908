// What a channel keeps: the newest page, and a scrubber that goes back through the rest.

import { useState } from 'preact/hooks';
import { bytes, count, time } from '../format.ts';
import { oneLine } from '../payload.ts';
import { link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import type { HistoryPage, Message } from '../types.ts';
import { Badge, Empty, Trouble } from './bits.tsx';
import { Payload } from './payload.tsx';
import { Table } from './table.tsx';

const limit = 25; // publications of a page
const every = 3000; // ms, at the newest

/** Where one is: at the newest, or at the page that ends before an offset or begins after a cursor. */
type Place = { before?: number; after?: string };

export function History({ path, first, last }: { path: string; first: number; last: number }) {
  const { api } = useShared();
  const [place, setPlace] = useState<Place>({});
  const [opened, open] = useState('');
  const newest = place.before === undefined && place.after === undefined;
  const asked = useAsk<HistoryPage>(api, `${path}/history`, { ...place, limit }, newest ? every : 0);
  const page = asked.value;
  const messages = page ? [...page.messages].reverse() : [];
  const shown = page?.messages.at(-1)?.offset ?? last;

  return (
    <section class="sheet history">
      <div class="head">
        <h3>History</h3>
        <div class="row">
          <button type="button" class="quiet small" disabled={!page?.before} onClick={() => page && setPlace({ before: page.before })}>Older</button>
          <button type="button" class="quiet small" disabled={newest || !page?.after} onClick={() => page && setPlace({ after: page.after })}>Newer</button>
          <button type="button" class="quiet small" disabled={newest} onClick={() => setPlace({})}>Newest</button>
        </div>
      </div>
      {first > 0 && last > first && (
        <label class="scrub">
          <span class="faint">{count(first)}</span>
          <input
            type="range" min={first} max={last} value={Math.max(first, shown)} aria-label="Go to an offset"
            onChange={(event) => { const to = Number(event.currentTarget.value); setPlace(to >= last ? {} : { before: to + 1 }); }}
          />
          <span class="faint">{count(last)}</span>
        </label>
      )}
      <Trouble asked={asked} />
      {page?.lost && <p class="faint" role="status">Some of what was asked for is not kept any more.</p>}
      {page && messages.length === 0 && <Empty>{last > 0 ? 'Nothing of it is kept any more.' : 'Nothing has been published yet.'}</Empty>}
      {messages.length > 0 && (
        <Table<Message>
          label="History, the newest first" rows={messages} id={(m) => String(m.offset)} opened={opened} busy={asked.busy}
          onOpen={(m) => open(opened === String(m.offset) ? '' : String(m.offset))}
          columns={[
            { title: 'Offset', number: true, cell: (m) => count(m.offset) },
            { title: 'Time', cell: (m) => time(m.time, true) },
            { title: 'From', cell: (m) => (m.user ? <a href={link('sessions', '', { find: m.user })}>{m.user}</a> : m.session ? <a href={link('sessions', m.session)}>{m.session.slice(0, 8)}</a> : <span class="faint">–</span>) },
            { title: 'Event', cell: (m) => m.event ?? <span class="faint">–</span> },
            { title: 'Data', wide: true, cell: (m) => <code>{m.encoding ? <Badge>bytes</Badge> : oneLine(textOf(m))}</code> },
            { title: 'Size', number: true, cell: (m) => bytes(m.bytes) },
          ]}
          below={(m) => (
            <>
              <p class="faint">{m.key && <>key <code>{m.key}</code>, </>}cursor <code>{m.cursor}</code></p>
              {m.encoding ? <Payload base64={String(m.data)} /> : <Payload text={textOf(m)} />}
            </>
          )}
        />
      )}
    </section>
  );
}

const textOf = (m: Message): string => (typeof m.data === 'string' ? m.data : JSON.stringify(m.data));
