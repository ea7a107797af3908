// Whether what is shown is live, and when it is tried again if it is not.

import { duration, time } from '../format.ts';
import { useTick } from '../state.ts';
import type { Line } from '../stream.ts';

export function LineOf({ line }: { line: Line }) {
  useTick(1000);
  const left = line.state === 'waiting' ? Math.max(0, Math.ceil((line.until - Date.now()) / 1000)) : 0;
  return (
    <p class="line" title={line.state === 'waiting' ? line.why : undefined}>
      <span class="lamp" aria-hidden="true" />
      <span data-state={line.state === 'live' ? 'open' : line.state} data-testid="line">{line.state === 'waiting' ? `again in ${left} s` : line.state}</span>
    </p>
  );
}

/** Says so when what is shown is old; nothing while it is live. */
export function Stale({ line, since }: { line: Line; since: number }) {
  useTick(1000);
  if (line.state === 'live' || since === 0 || Date.now() - since < 3000) return null;
  const left = line.state === 'waiting' ? Math.ceil((line.until - Date.now()) / 1000) : 0;
  return (
    <p class="stale" role="status">
      <b>Not live.</b> {line.state === 'waiting' ? line.why : 'Connecting…'} What you see is from {time(since)}
      {left > 0 && `; trying again in ${duration(left)}`}.
    </p>
  );
}
