// Draining: what happens then, and that it cannot be taken back.

import { plural } from '../format.ts';
import { useShared } from '../state.ts';
import { Dialog } from './dialog.tsx';

export function Drain({ onClose }: { onClose: () => void }) {
  const { api, node, live } = useShared();
  const sessions = live.samples.last?.sessions ?? 0;
  const drain = async () => {
    await api.post('drain');
    node.again();
  };
  return (
    <Dialog title={`Drain ${node.value?.name || 'this node'}?`} act="Drain and stop" danger onAct={drain} onClose={onClose}>
      <ol class="steps">
        <li><code>/readyz</code> says no at once, so that load balancers send nobody new.</li>
        <li>{plural(sessions, 'session')} will be told to come back, each at its own moment, spread over <code>drain.window</code>: to another node,
          or to the next process. What they miss until then they recover where channels keep a history.</li>
        <li>Then the process ends. Whatever supervises it may start it again.</li>
      </ol>
      <p>This cannot be taken back, and the console goes with the node.</p>
    </Dialog>
  );
}
