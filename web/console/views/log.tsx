// The log, as it is written: refusals, disconnects and whatever else is of level INFO or above.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Badge, Empty, Head, type Tone } from '../parts/bits.tsx';
import { Find } from '../parts/find.tsx';
import { LineOf } from '../parts/line.tsx';
import { count, time } from '../format.ts';
import { go, link } from '../route.ts';
import { useRender, useShared } from '../state.ts';
import { follow, type Line } from '../stream.ts';
import type { LogRecord } from '../types.ts';

const kept = 2000; // records
const shown = 300; // of them

const tones: Record<LogRecord['level'], Tone> = { INFO: 'plain', WARN: 'warn', ERROR: 'bad' };
const levels: [string, string][] = [['', 'All'], ['refusals', 'Refusals'], ['warn', 'Warnings'], ['error', 'Errors']];

/** A record, and its number, by which it is told from others. */
type Numbered = LogRecord & { number: number };

export function Log({ query }: { query: Record<string, string> }) {
  const { find = '', level = '' } = query;
  const { records, line, paused, missed, pause } = useLog();
  const to = (change: Record<string, string>) => go(link('log', '', { find, level, ...change }), true);
  const matching = records.filter((record) => atLevel(record, level) && hasText(record, find.toLowerCase()));
  const visible = matching.slice(-shown).reverse();
  return (
    <>
      <Head title="Log" lead="What the node writes, the newest first. Secrets are not in it."><LineOf line={line} /></Head>
      <div class="bar">
        <Find label="Find in the log" hint="any text" value={find} onFind={(text) => to({ find: text })} />
        <div class="choice" role="group" aria-label="Which records">
          {levels.map(([value, name]) => (
            <button key={value} type="button" class="quiet small" aria-pressed={level === value} onClick={() => to({ level: value })}>{name}</button>
          ))}
        </div>
        <button type="button" class="quiet small" aria-pressed={paused} onClick={pause}>{paused ? `Go on${missed ? ` (${count(missed)} new)` : ''}` : 'Pause'}</button>
      </div>
      {visible.length === 0 && line.state === 'live' && <Empty>{records.length ? 'Nothing in the log matches.' : 'The log is empty.'}</Empty>}
      <div class="log" role="log" aria-live="off" aria-label="Log" tabIndex={0}>
        <ol>
        {visible.map((record) => (
          <li key={record.number} class={record.level.toLowerCase()}>
            <time dateTime={record.time}>{time(record.time, true)}</time>
            <Badge tone={tones[record.level] ?? 'plain'}>{record.level.toLowerCase()}</Badge>
            <p>
              <b>{record.message}</b>{' '}
              {Object.entries(record.fields).map(([key, value]) => <span key={key}><i>{key}=</i>{value} </span>)}
            </p>
          </li>
        ))}
        </ol>
      </div>
      {matching.length > visible.length && <p class="faint">The newest {count(visible.length)} of {count(matching.length)} are shown. A text narrows them down.</p>}
    </>
  );
}

function atLevel({ level, message, fields }: LogRecord, wanted: string): boolean {
  switch (wanted) {
    case 'refusals': return message.includes('refused') || 'code' in fields;
    case 'warn': return level !== 'INFO';
    case 'error': return level === 'ERROR';
    default: return true;
  }
}

const hasText = ({ message, fields }: LogRecord, text: string): boolean =>
  text === '' || message.toLowerCase().includes(text) || Object.entries(fields).some(([key, value]) => `${key}=${value}`.toLowerCase().includes(text));

/** Listens to the log. While it is paused, what comes is counted and kept, but not shown. */
function useLog() {
  const { api } = useShared();
  const again = useRender();
  const [paused, setPaused] = useState(false);
  const now = useRef({ records: [] as Numbered[], line: { state: 'connecting' } as Line, number: 0 });
  const frozen = useRef<{ records: Numbered[]; at: number } | undefined>(undefined);
  useEffect(
    () =>
      follow<LogRecord>(api, 'log', {
        begins: () => (now.current.records = []), // what is kept comes again
        values: (all) => {
          const { current } = now;
          current.records = [...current.records, ...all.map((record) => ({ ...record, number: current.number++ }))].slice(-kept);
          again();
        },
        line: (line) => {
          now.current.line = line;
          again();
        },
      }),
    [api],
  );
  const pause = () => {
    frozen.current = paused ? undefined : { records: now.current.records, at: now.current.number };
    setPaused(!paused);
  };
  return {
    records: frozen.current?.records ?? now.current.records,
    line: now.current.line,
    paused,
    missed: frozen.current ? now.current.number - frozen.current.at : 0,
    pause,
  };
}
