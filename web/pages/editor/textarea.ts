// A textarea that shows a text of Yjs: what is typed goes into the text, and what others do to the text appears, and the caret stays where
// it was in the text.

import * as Y from 'yjs';

const ours = 'typed here'; // the origin of changes

/** Binds a textarea to a text. hold is told when a character is being composed, and nothing may change meanwhile. */
export function bind(area: HTMLTextAreaElement, text: Y.Text, hold: (on: boolean) => void): void {
  const undo = new Y.UndoManager(text, { trackedOrigins: new Set([ours]) });
  let composing = false;
  area.value = text.toString();

  area.addEventListener('input', () => {
    if (!composing) type();
  });
  area.addEventListener('compositionstart', () => hold((composing = true)));
  area.addEventListener('compositionend', () => {
    composing = false;
    type();
    hold(false);
  });

  area.addEventListener('beforeinput', (event) => {
    const back = event.inputType === 'historyUndo';
    if (!back && event.inputType !== 'historyRedo') return;
    event.preventDefault(); // the browser's would undo what others did
    step(back);
  });
  area.addEventListener('keydown', (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || (key !== 'z' && key !== 'y')) return;
    event.preventDefault();
    step(key === 'z' && !event.shiftKey);
  });

  text.observe(({ delta, transaction }) => {
    if (transaction.origin === ours) return;
    const { selectionStart, selectionEnd, selectionDirection, scrollTop } = area;
    area.value = text.toString();
    area.setSelectionRange(moved(selectionStart, delta), moved(selectionEnd, delta), selectionDirection);
    area.scrollTop = scrollTop;
  });

  function type(): void {
    const { at, remove, insert } = difference(text.toString(), area.value, area.selectionEnd);
    if (!remove && !insert) return;
    text.doc!.transact(() => {
      text.delete(at, remove);
      text.insert(at, insert);
    }, ours);
  }

  function step(back: boolean): void {
    if (back) undo.undo();
    else undo.redo();
  }
}

type Delta = Y.YTextEvent['delta'];

/** Where a position is after a change. */
export function moved(position: number, delta: Delta): number {
  let at = 0;
  for (const { retain = 0, insert = '', delete: gone = 0 } of delta) {
    if (at > position) break;
    at += retain;
    if (at > position) break;
    if (typeof insert === 'string' && at < position) {
      position += insert.length;
      at += insert.length;
    }
    position -= Math.min(gone, Math.max(0, position - at));
  }
  return position;
}

/** The one place in which two texts differ. What was typed ends at the caret, which tells where among equal letters it went. */
export function difference(before: string, after: string, caret: number): { at: number; remove: number; insert: string } {
  const behind = after.length - caret;
  let end = 0; // characters at the end that are the same
  const most = Math.min(before.length, after.length);
  while (end < Math.min(behind, most) && before.at(-1 - end) === after.at(-1 - end)) end++;
  let at = 0;
  while (at < most - end && before[at] === after[at]) at++;
  // Half a character is none.
  const low = (c: string | undefined) => c !== undefined && c >= '\udc00' && c <= '\udfff';
  if (low(before[at]) || low(after[at])) at--;
  if (end > 0 && (low(before[before.length - end]) || low(after[after.length - end]))) end--;
  at = Math.max(0, at);
  return { at, remove: before.length - end - at, insert: after.slice(at, after.length - end) };
}
