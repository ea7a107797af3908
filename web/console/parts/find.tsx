// A search field, which / reaches. What is typed goes into the address a moment later, so that it can be linked to.

import { useEffect, useRef, useState } from 'preact/hooks';

const pause = 250; // ms without a key, before it is looked for

export function Find({ label, value, hint, onFind }: { label: string; value: string; hint: string; onFind: (text: string) => void }) {
  const [text, set] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => set(value), [value]); // the back button
  useEffect(() => () => clearTimeout(timer.current), []);
  const find = (next: string, wait: number) => {
    set(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onFind(next.trim()), wait);
  };
  return (
    <form role="search" class="find" onSubmit={(event) => { event.preventDefault(); find(text, 0); }}>
      <label>
        <span class="unseen">{label}</span>
        <svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="8.5" cy="8.5" r="5.5" /><path d="m13 13 4.5 4.5" /></svg>
        <input
          type="search" name="find" data-search placeholder={hint} autocomplete="off" spellcheck={false} value={text}
          onInput={(event) => find(event.currentTarget.value, pause)}
          onKeyDown={(event) => { if (event.key === 'Escape' && text !== '') { event.preventDefault(); event.stopPropagation(); find('', 0); } }}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
    </form>
  );
}
