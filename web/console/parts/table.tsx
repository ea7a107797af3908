// A table whose rows are walked through with the arrow keys, opened with Enter or a click, and which on a phone becomes a list of cards.

import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

export interface Column<T> {
  title: string;
  /** Right-aligned, in figures of one width. */
  number?: boolean;
  /** Takes the room that the others leave. */
  wide?: boolean;
  sorted?: 'ascending' | 'descending';
  onSort?: () => void;
  cell: (row: T) => ComponentChildren;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  onOpen?: (row: T) => void;
  /** What stands below a row that is open. */
  below?: (row: T) => ComponentChildren;
  opened?: string;
  busy?: boolean;
}

export function Table<T>({ label, columns, rows, id, onOpen, below, opened, busy = false }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [at, walk] = useState(''); // the row that Tab leads to, which may move
  const focused = Math.max(0, rows.findIndex((row) => id(row) === at));

  const key = (event: KeyboardEvent, row: T, i: number) => {
    if (event.target !== event.currentTarget) return; // a link or a button in the row
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: rows.length - 1, PageDown: i + 10, PageUp: i - 10 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(rows.length - 1, to));
      body.current?.querySelectorAll<HTMLElement>('tr.entry')[next]?.focus();
    } else if (event.key === 'Enter' && onOpen) {
      event.preventDefault();
      onOpen(row);
    } else if (event.key === 'Escape' && opened === id(row)) {
      event.preventDefault();
      onOpen?.(row);
    }
  };

  const click = (event: MouseEvent, row: T) => {
    const link = (event.target as Element).closest('a, button, input');
    if (!link && !String(getSelection())) onOpen?.(row);
  };

  return (
    <table class={`rows ${onOpen ? 'opens' : ''}`} role="table" aria-label={label} aria-busy={busy}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, number, wide, sorted, onSort }) => (
            <th key={title} role="columnheader" scope="col" class={`${number ? 'number' : ''} ${wide ? 'wide' : ''}`} aria-sort={sorted}>
              {onSort ? <button type="button" class="sort" onClick={onSort}>{title}</button> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body} role="rowgroup">
        {rows.map((row, i) => {
          const open = below && opened === id(row);
          return [
            <tr
              key={id(row)} role="row" class="entry" tabIndex={i === focused ? 0 : -1} aria-expanded={below ? open : undefined}
              onKeyDown={(event) => key(event, row, i)} onFocus={() => walk(id(row))} onClick={(event) => click(event, row)}
            >
              {columns.map(({ title, number, wide, cell }) => (
                <td key={title} role="cell" data-title={title} class={`${number ? 'number' : ''} ${wide ? 'wide' : ''}`}>{cell(row)}</td>
              ))}
            </tr>,
            open && <tr key={`${id(row)} below`} role="row" class="below"><td role="cell" colSpan={columns.length}>{below(row)}</td></tr>,
          ];
        })}
      </tbody>
    </table>
  );
}
