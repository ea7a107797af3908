// One channel: who listens, what holds in it, what it keeps, and a form to publish into it.

import { Badge, Empty, Fact, Facts, Fresh, Head, Trouble } from '../parts/bits.tsx';
import { History } from '../parts/history.tsx';
import { Publish } from '../parts/publish.tsx';
import { bytes, count, duration, plural, words } from '../format.ts';
import { useAsk, useShared } from '../state.ts';
import type { Channel as About } from '../types.ts';

const every = 3000; // ms

export function Channel({ name }: { name: string }) {
  const { api } = useShared();
  const path = `channels/${encodeURIComponent(name)}`;
  const asked = useAsk<About>(api, path, {}, every);
  const about = asked.value;
  return (
    <>
      <p class="crumb"><a href="#/channels">Channels</a></p>
      <Head title={name}><Fresh asked={asked} /></Head>
      <Trouble asked={asked} />
      {about && (
        <div class="columns">
          <section class="sheet">
            <h3>Now</h3>
            <Facts>
              <Fact name="Subscribers">{count(about.subscribers)}</Fact>
              <Fact name="Present">{about.presence ? `${plural(about.presence.users, 'user')}, ${plural(about.presence.sessions, 'session')}` : <span class="faint">not counted</span>}</Fact>
              <Fact name="Last offset">{about.epoch ? count(about.offset) : '–'}</Fact>
              <Fact name="Kept">{about.epoch ? plural(about.kept, 'publication') : <span class="faint">nothing</span>}</Fact>
              {about.epoch && <Fact name="Epoch"><code>{about.epoch}</code></Fact>}
            </Facts>
          </section>
          <section class="sheet">
            <h3>Its rule <code>{about.policy.pattern}</code></h3>
            <Facts>
              <Fact name="May subscribe">{about.policy.subscribe}</Fact>
              <Fact name="May publish">{about.policy.publish}</Fact>
              <Fact name="Presence">{about.policy.presence ? <Badge tone="good">on</Badge> : <Badge>off</Badge>}</Fact>
              <Fact name="History">{about.policy.history_count ? `${count(about.policy.history_count)}, ${about.policy.history_age_seconds ? `for ${duration(about.policy.history_age_seconds)}` : 'for ever'}` : 'none'}</Fact>
              <Fact name="Last value at once">{about.policy.last ? 'yes' : 'no'}</Fact>
              <Fact name="Slow readers">{words(about.policy.slow)}</Fact>
              <Fact name="Held back, at most">{bytes(about.policy.backlog_bytes)}</Fact>
              <Fact name="Payload, at most">{bytes(about.policy.payload_bytes)}</Fact>
            </Facts>
          </section>
        </div>
      )}
      {about && <Publish path={path} onDone={asked.again} />}
      {about?.epoch && <History path={path} first={about.first} last={about.offset} />}
      {about && !about.epoch && <Empty>This channel keeps no history. Give its rule one, if clients are to recover what they missed.</Empty>}
    </>
  );
}
