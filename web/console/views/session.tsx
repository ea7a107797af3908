// One session: what is known of it, what goes over its line, and ending it.

import { useState } from 'preact/hooks';
import { Badge, Empty, Fact, Facts, Fresh, Head, Trouble } from '../parts/bits.tsx';
import { Disconnect } from '../parts/disconnect.tsx';
import { Inspector } from '../parts/inspector.tsx';
import { Ending } from './ended.tsx';
import { count, duration, moment, transport } from '../format.ts';
import { link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import { QueueOf } from './sessions.tsx';
import type { Ending as End, Page, SessionDetail } from '../types.ts';

const every = 5000; // ms; each is a ping to the client

export function Session({ id }: { id: string }) {
  const { api } = useShared();
  const asked = useAsk<SessionDetail>(api, `sessions/${encodeURIComponent(id)}`, {}, every);
  const [ending, end] = useState(false);
  const gone = asked.error?.status === 404;
  const s = asked.value;
  return (
    <>
      <p class="crumb"><a href="#/sessions">Sessions</a></p>
      <Head title={<code>{id}</code>} lead={s?.user ? <>of the user <a href={link('sessions', '', { find: s.user })}>{s.user}</a></> : undefined}>
        {!gone && <Fresh asked={asked} />}
        {s && !gone && <button type="button" class="danger" onClick={() => end(true)}>Disconnect…</button>}
      </Head>
      {gone ? <Gone id={id} /> : <Trouble asked={asked} />}
      {ending && <Disconnect session={id} onClose={() => end(false)} onDone={asked.again} />}
      {s && (
        <div class="columns">
          <section class="sheet">
            <h3>Connection</h3>
            <Facts>
              <Fact name="Transport">{transport(s.transport)}</Fact>
              <Fact name="Protocol"><Badge>{s.protocol}</Badge> {s.subprotocol && <code>{s.subprotocol}</code>}</Fact>
              <Fact name="Address">{s.address}</Fact>
              <Fact name="Round trip">{s.round_trip_seconds === null ? <span class="faint">no answer to a ping</span> : duration(s.round_trip_seconds)}</Fact>
              <Fact name="Waiting for it"><QueueOf {...s.queue} /></Fact>
              <Fact name="Compression">{s.compression ? 'on' : 'off'}</Fact>
              <Fact name="Connected">{moment(s.connected)} <span class="faint">{duration(Math.floor(s.age_seconds))} ago</span></Fact>
              <Fact name="Token expires">{s.expires ? moment(s.expires) : <span class="faint">never</span>}</Fact>
              {s.node && <Fact name="Node">{s.node}</Fact>}
            </Facts>
          </section>
          <section class="sheet">
            <h3>{count(s.channels_total)} {s.channels_total === 1 ? 'channel' : 'channels'}</h3>
            {s.channels.length === 0 && <p class="faint">It is not subscribed to anything.</p>}
            <ul class="chips">
              {s.channels.map((name) => <li key={name}><a href={link('channels', name)}>{name}</a></li>)}
            </ul>
            {s.channels_total > s.channels.length && <p class="faint">and {count(s.channels_total - s.channels.length)} more</p>}
          </section>
        </div>
      )}
      {s && <Inspector session={id} ended={gone} />}
    </>
  );
}

/** What became of a session that is not there any more. */
function Gone({ id }: { id: string }) {
  const { api } = useShared();
  const asked = useAsk<Page & { ended: End[] }>(api, 'ended', { find: id, limit: 1 });
  const end = asked.value?.ended[0];
  return (
    <section class="sheet gone" role="status">
      <h3>This session has ended</h3>
      {end ? <Ending end={end} /> : !asked.busy && <Empty>Why is not remembered any more, or it was on another node.</Empty>}
      <Trouble asked={asked} />
    </section>
  );
}
