// The overview: what the node is, how it does now, and the last ten minutes in charts.

import { useState } from 'preact/hooks';
import { Badge, Fact, Facts, Head, Trouble } from '../parts/bits.tsx';
import { Chart, type Line } from '../parts/chart.tsx';
import { Drain } from '../parts/drain.tsx';
import { bytes, count, duration, moment, short, transport } from '../format.ts';
import type { Samples } from '../samples.ts';
import { useLive, useShared } from '../state.ts';

const perSecond = (value: number) => `${short(value)}/s`;
const bytesPerSecond = (value: number) => `${bytes(value)}/s`;
const percent = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} %`;

/** Each transport keeps its colour. */
const colors = ['websocket', 'sse', 'poll', 'post', 'socketio_websocket', 'socketio_polling'];

export function Overview() {
  const { samples } = useLive();
  const { node } = useShared();
  const [draining, drain] = useState(false);
  const about = node.value;
  return (
    <>
      <Head title="Overview" lead={about ? <Lead /> : undefined}>
        {about?.can_drain && (
          <button type="button" class="danger" disabled={about.draining} onClick={() => drain(true)}>{about.draining ? 'Draining' : 'Drain this node…'}</button>
        )}
      </Head>
      <Trouble asked={node} />
      {draining && <Drain onClose={() => drain(false)} />}
      <Tiles samples={samples} />
      <Charts samples={samples} />
      {about && (
        <section class="sheet">
          <h3>This node</h3>
          <Facts>
            <Fact name="Name">{about.name || '–'}</Fact>
            <Fact name="Version">{about.version} <span class="faint">{about.go}</span></Fact>
            <Fact name="Started">{moment(about.started)}</Fact>
            <Fact name="Broker">
              {about.broker.kind} {about.broker.ok ? <Badge tone="good">well</Badge> : <Badge tone="bad">{about.broker.error ?? 'out of reach'}</Badge>}
            </Fact>
            <Fact name="Sessions, at most">{count(about.limits.sessions)}</Fact>
            <Fact name="Channels of a session, at most">{count(about.limits.subscriptions)}</Fact>
            <Fact name="A message, at most">{bytes(about.limits.message_bytes)}</Fact>
            <Fact name="Waiting for one client, at most">{bytes(about.limits.outbox_bytes)}</Fact>
            <Fact name="History, at most">{about.limits.history_bytes ? bytes(about.limits.history_bytes) : 'held by the broker'}</Fact>
            <Fact name="Goroutines">{samples.last ? count(samples.last.goroutines) : '–'}</Fact>
          </Facts>
        </section>
      )}
    </>
  );
}

function Lead() {
  const { node } = useShared();
  const about = node.value!;
  const up = duration(Math.floor((Date.now() - Date.parse(about.started)) / 1000));
  return <>{about.name && <b>{about.name}</b>} {about.version}, up for {up}{about.dev && ', in dev mode'}</>;
}

/** The numbers that one looks at first. */
function Tiles({ samples }: { samples: Samples }) {
  const last = samples.last;
  const limit = useShared().node.value?.limits.sessions;
  const rate = (value: number | null) => (value === null ? '–' : short(value));
  const dropped = samples.lately((s) => s.drops);
  return (
    <div class="tiles">
      <Tile href="#/sessions" name="Sessions" value={last ? count(last.sessions) : '–'} more={limit ? `of ${short(limit)}` : ''} />
      <Tile href="#/channels" name="Channels" value={last ? count(last.channels) : '–'} more={last ? `${short(last.subscriptions)} subscriptions` : ''} />
      <Tile name="Messages in" value={rate(samples.lately((s) => s.messages_in))} more="a second" />
      <Tile name="Deliveries" value={rate(samples.lately((s) => s.deliveries))} more="a second" />
      <Tile name="Drops" value={rate(dropped)} more="a second" bad={(dropped ?? 0) > 0} />
      <Tile href="#/ended" name="Ended" value={last ? count(last.ended) : '–'} more="since the start" />
    </div>
  );
}

function Tile({ name, value, more, href, bad = false }: { name: string; value: string; more: string; href?: string; bad?: boolean }) {
  const inside = <><span class="name">{name}</span><b class={bad ? 'bad' : ''}>{value}</b><span class="faint">{more}</span></>;
  return href ? <a class="sheet tile" href={href}>{inside}</a> : <div class="sheet tile">{inside}</div>;
}

function Charts({ samples }: { samples: Samples }) {
  const { times } = samples;
  const line = (label: string, color: number, values: Line['values']): Line => ({ label, color, values });
  const used = samples.transports();
  const connections = (used.length ? used : ['websocket']).map((name) => {
    const at = colors.indexOf(name);
    return line(transport(name), (at < 0 ? 7 : at) + 1, samples.level((s) => s.connections[name] ?? 0));
  });
  return (
    <div class="charts">
      <Chart title="Connections" note="by transport" times={times} lines={connections} format={short} least={4} stack />
      <Chart title="Messages" note="a second" times={times} format={perSecond} axis={short} least={4} lines={[
        line('in', 1, samples.rate((s) => s.messages_in)), line('out', 2, samples.rate((s) => s.messages_out)),
      ]} />
      <Chart title="Bytes" note="a second" times={times} format={bytesPerSecond} axis={bytes} binary least={1024} lines={[
        line('in', 1, samples.rate((s) => s.bytes_in)), line('out', 2, samples.rate((s) => s.bytes_out)),
      ]} />
      <Chart title="Fan-out" note="a second" times={times} format={perSecond} axis={short} least={4} lines={[
        line('publications', 3, samples.rate((s) => s.publications)), line('deliveries', 2, samples.rate((s) => s.deliveries)),
      ]} />
      <Chart title="Trouble" note="a second" times={times} format={perSecond} axis={short} least={4} lines={[
        line('drops', 7, samples.rate((s) => s.drops)), line('gaps', 5, samples.rate((s) => s.gaps)), line('refusals', 2, samples.rate((s) => s.refusals)),
      ]} />
      <Chart title="Channels" note="with a subscriber" times={times} format={short} least={4} lines={[
        line('channels', 4, samples.level((s) => s.channels)), line('subscriptions', 6, samples.level((s) => s.subscriptions)),
      ]} />
      <Chart title="Event loops" note="the slowest" times={times} format={duration} least={0.005} lines={[
        line('lag', 5, samples.level((s) => s.loop_lag_seconds)),
      ]} />
      <Chart title="Memory" note="of the process" times={times} format={bytes} binary least={16 << 20} lines={[
        line('resident', 3, samples.level((s) => s.memory_bytes)), line('heap', 1, samples.level((s) => s.heap_bytes)),
      ]} />
      <Chart title="CPU" note="of one processor" times={times} format={percent} least={10} lines={[
        line('used', 4, samples.rate((s) => s.cpu_seconds).map((value) => (value === null ? null : value * 100))),
      ]} />
    </div>
  );
}
