// From page to page of a list that the server cuts. Where one came from is remembered, because the server only knows the way on.

import { useEffect, useRef } from 'preact/hooks';
import { count } from '../format.ts';

interface Props {
  /** What holds for all pages: a change of it begins anew. */
  of: string;
  after: string;
  next: string;
  shown: number;
  total: number;
  what: string;
  onGo: (after: string) => void;
}

export function Pager({ of, after, next, shown, total, what, onGo }: Props) {
  const way = useRef<string[]>([]);
  useEffect(() => { way.current = []; }, [of]);
  if (total === 0) return null;
  return (
    <nav class="pager" aria-label="Pages of the list">
      <p class="faint">{shown === total ? `${count(total)} ${what}` : `${count(shown)} of ${count(total)} ${what}`}</p>
      {(after !== '' || next !== '') && (
        <div class="row">
          <button class="quiet small" type="button" disabled={after === ''} onClick={() => { way.current = []; onGo(''); }}>First page</button>
          <button class="quiet small" type="button" disabled={after === ''} onClick={() => onGo(way.current.pop() ?? '')}>Previous</button>
          <button class="quiet small" type="button" disabled={next === ''} onClick={() => { way.current.push(after); onGo(next); }}>Next</button>
        </div>
      )}
    </nav>
  );
}
