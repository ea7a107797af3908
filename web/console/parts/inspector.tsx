// The frame inspector: what goes over the line of one session. It pulls, and the node looks at frames only while somebody does.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Refusal, wordsOf } from '../api.ts';
import { bytes, count, time } from '../format.ts';
import { oneLine } from '../payload.ts';
import { useShared } from '../state.ts';
import type { Frame, FramePage } from '../types.ts';
import { Badge, Empty } from './bits.tsx';
import { Payload } from './payload.tsx';
import { Table } from './table.tsx';

const kept = 1000; // frames
const shown = 200; // of them
const wait = '10s'; // that the node may wait for a frame
const again = 2000; // ms after something went wrong

type Way = '' | 'in' | 'out';
const ways: [Way, string][] = [['', 'Both'], ['in', 'From the client'], ['out', 'To the client']];

export function Inspector({ session, ended }: { session: string; ended: boolean }) {
  const [on, setOn] = useState(false);
  const [way, setWay] = useState<Way>('');
  const [opened, open] = useState('');
  const { frames, missed, trouble, watched, clear } = useFrames(session, on);
  const visible = frames.filter(({ direction }) => way === '' || direction === way).slice(-shown).reverse();
  return (
    <section class="sheet inspector" aria-labelledby="inspector-title">
      <div class="head">
        <h3 id="inspector-title">Frames</h3>
        <div class="row">
          <div class="choice" role="group" aria-label="Direction">
            {ways.map(([value, name]) => (
              <button key={value} type="button" class="quiet small" aria-pressed={way === value} onClick={() => setWay(value)}>{name}</button>
            ))}
          </div>
          {frames.length > 0 && <button type="button" class="quiet small" onClick={clear}>Clear</button>}
          <button type="button" class={on ? 'small danger' : 'small'} data-testid="inspect" disabled={ended} onClick={() => setOn(!on)}>{on ? 'Stop' : 'Start'}</button>
        </div>
      </div>
      {!on && frames.length === 0 && <p class="faint">Start it to see every frame that this client sends and is sent, from now on; the pings among them measure the round trip shown above. Stopped, it costs nothing.</p>}
      {trouble && <p class="trouble" role="status">{trouble}</p>}
      {on && !trouble && !ended && visible.length === 0 && <Empty>{watched ? 'Waiting for a frame…' : 'Asking the node…'}</Empty>}
      {missed > 0 && <p class="faint">{count(missed)} more went by faster than they were fetched.</p>}
      {visible.length > 0 && (
        <Table
          label="Frames, the newest first" rows={visible} id={({ seq }) => String(seq)} opened={opened} onOpen={({ seq }) => open(opened === String(seq) ? '' : String(seq))}
          below={(frame) => <Payload text={frame.payload} base64={frame.payload_base64} />}
          columns={[
            { title: 'Time', cell: (frame) => time(frame.time, true) },
            { title: 'Direction', cell: ({ direction }) => <span class={`way ${direction}`}>{direction === 'in' ? '→ in' : '← out'}</span> },
            { title: 'Opcode', cell: ({ opcode }) => <Badge tone="accent">{opcode}</Badge> },
            { title: 'Flags', cell: (frame) => <Flags frame={frame} /> },
            { title: 'On the wire', number: true, cell: ({ wire_bytes }) => bytes(wire_bytes) },
            { title: 'Payload', number: true, cell: ({ inflated_bytes }) => (inflated_bytes === null ? <span class="faint">in parts</span> : bytes(inflated_bytes)) },
            { title: 'Content', wide: true, cell: (frame) => <Content frame={frame} /> },
          ]}
        />
      )}
    </section>
  );
}

function Flags({ frame: { fin, rsv1, masked } }: { frame: Frame }) {
  return <span class="flags">{fin && <abbr title="the last frame of its message">FIN</abbr>}{rsv1 && <abbr title="compressed">RSV1</abbr>}{masked && <abbr title="masked, as clients must">MASK</abbr>}</span>;
}

function Content({ frame }: { frame: Frame }) {
  return (
    <>
      {frame.redacted && <Badge tone="warn">secrets hidden</Badge>} {frame.truncated && <Badge>cut</Badge>}{' '}
      {frame.payload === undefined ? <span class="faint">bytes</span> : <code>{oneLine(frame.payload)}</code>}
    </>
  );
}

/** Pulls frames, one pull after the other, while it is on and the page can be seen. */
function useFrames(session: string, on: boolean) {
  const { api } = useShared();
  const [frames, set] = useState<Frame[]>([]);
  const [missed, setMissed] = useState(0);
  const [trouble, setTrouble] = useState('');
  const [watched, setWatched] = useState(false);
  const visible = useVisible();
  const next = useRef<number | undefined>(undefined);
  useEffect(() => {
    setWatched(false);
    if (!on || !visible) return;
    let patience = '0s'; // the first pull only has the node begin to watch
    const over = new AbortController();
    const pull = async () => {
      while (!over.signal.aborted) {
        try {
          const page = await api.get<FramePage>(`sessions/${encodeURIComponent(session)}/frames`, { after: next.current, wait: patience }, over.signal);
          next.current = page.next;
          patience = wait;
          setWatched(true);
          setTrouble('');
          if (page.missed) setMissed((n) => n + page.missed);
          if (page.frames.length) set((all) => [...all, ...page.frames].slice(-kept));
          if (page.ended) return setTrouble('The session has ended; these were its last frames.');
        } catch (error) {
          if (over.signal.aborted) return;
          if (error instanceof Refusal && error.status === 404) return setTrouble(error.message);
          setTrouble(wordsOf(error));
          await new Promise((resolve) => setTimeout(resolve, again));
        }
      }
    };
    void pull();
    return () => over.abort();
  }, [on, visible, session]);
  return { frames, missed, trouble, watched, clear: () => { set([]); setMissed(0); } };
}

function useVisible(): boolean {
  const [visible, set] = useState(!document.hidden);
  useEffect(() => {
    const changed = () => set(!document.hidden);
    document.addEventListener('visibilitychange', changed);
    return () => document.removeEventListener('visibilitychange', changed);
  }, []);
  return visible;
}
