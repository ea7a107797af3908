// Ending a session: with a code and a reason that its client is told.

import { useState } from 'preact/hooks';
import { useShared } from '../state.ts';
import { Dialog } from './dialog.tsx';

const codes: [number, string][] = [
  [0, 'Disconnected by an operator'],
  [1000, '1000: done'],
  [1008, '1008: against the policy'],
  [1012, '1012: come back, as after a restart'],
  [1013, '1013: come back later'],
  [4000, '4000 and up: a code of your own'],
];

export function Disconnect({ session, onClose, onDone }: { session: string; onClose: () => void; onDone: () => void }) {
  const { api } = useShared();
  const [code, setCode] = useState(0);
  const [own, setOwn] = useState(4000);
  const [reason, setReason] = useState('');
  const disconnect = async () => {
    const asked = code === 4000 ? own : code;
    await api.post(`sessions/${encodeURIComponent(session)}/disconnect`, { ...(asked && { code: asked }), ...(reason && { reason }) });
    onDone();
  };
  return (
    <Dialog title="Disconnect this session?" act="Disconnect" danger onAct={disconnect} onClose={onClose}>
      <p>Its line is closed, with a code and a reason for its client. Whether it comes back is up to the client: with 1012 and 1013 it is asked to.</p>
      <label class="field">
        <span>Close code</span>
        <select name="code" value={code} onChange={(event) => setCode(Number(event.currentTarget.value))}>
          {codes.map(([number, name]) => <option key={number} value={number}>{name}</option>)}
        </select>
      </label>
      {code === 4000 && (
        <label class="field">
          <span>Your code</span>
          <input type="number" min={4000} max={4999} value={own} onInput={(event) => setOwn(event.currentTarget.valueAsNumber)} />
        </label>
      )}
      <label class="field">
        <span>Reason <i>optional</i></span>
        <input name="reason" maxLength={123} placeholder="disconnected by an operator" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
    </Dialog>
  );
}
