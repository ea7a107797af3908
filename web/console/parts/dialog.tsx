// A question that has to be answered first. The browser keeps the focus inside, and Escape closes it.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { wordsOf } from '../api.ts';

interface Props {
  title: string;
  /** What the button says that does it. */
  act?: string;
  danger?: boolean;
  onAct?: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, act, danger = false, onAct, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  useLayoutEffect(() => { // before anybody can press a key
    const before = document.activeElement as HTMLElement | null;
    dialog.current!.showModal();
    return () => before?.focus();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onAct?.();
      onClose();
    } catch (error) {
      setTrouble(wordsOf(error));
      setBusy(false);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose} onClick={(event) => { if (event.target === event.currentTarget) onClose(); }}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        {trouble && <p class="trouble" role="alert">{trouble}</p>}
        <div class="row end">
          <button type="button" class="quiet" onClick={onClose}>{act ? 'Cancel' : 'Close'}</button>
          {act && <button type="submit" class={danger ? 'danger' : ''} disabled={busy}>{act}</button>}
        </div>
      </form>
    </dialog>
  );
}
