// All nodes that share the broker.

import { Badge, Empty, Fresh, Head, Trouble, type Tone } from '../parts/bits.tsx';
import { Table } from '../parts/table.tsx';
import { ago, count, duration, short } from '../format.ts';
import { useAsk, useShared } from '../state.ts';
import type { Peer } from '../types.ts';

const every = 5000; // ms

const health: Record<Peer['health'], [Tone, string]> = { ok: ['good', 'well'], draining: ['warn', 'draining'], silent: ['bad', 'silent'] };

export function Nodes() {
  const { api } = useShared();
  const asked = useAsk<{ nodes: Peer[]; incomplete: string[] }>(api, 'nodes', {}, every);
  const { nodes = [], incomplete = [] } = asked.value ?? {};
  return (
    <>
      <Head title="Nodes" lead="All that share the broker. This console shows the rest of one node only: the one that it comes from."><Fresh asked={asked} /></Head>
      <Trouble asked={asked} />
      {incomplete.length > 0 && (
        <p class="trouble" role="status">
          {incomplete.includes('*') ? 'It is not known which nodes there are: the broker does not answer.' : `No answer from ${incomplete.join(', ')}: the numbers of those are old, or missing.`}
        </p>
      )}
      {asked.value && nodes.length === 0 && <Empty>There are no nodes to show.</Empty>}
      {nodes.length > 0 && (
        <Table
          label="Nodes" rows={nodes} id={(node) => node.name || 'this node'} busy={asked.busy}
          columns={[
            { title: 'Name', wide: true, cell: (node) => <><b>{node.name || '–'}</b> {node.self && <Badge tone="accent">this one</Badge>}</> },
            { title: 'Health', cell: (node) => <Badge tone={health[node.health][0]}>{health[node.health][1]}</Badge> },
            { title: 'Version', cell: (node) => node.version || '–' },
            { title: 'Up for', number: true, cell: (node) => (node.started ? duration(Math.floor((Date.now() - Date.parse(node.started)) / 1000)) : '–') },
            { title: 'Heard', number: true, cell: (node) => (node.heard ? ago(node.heard) : '–') },
            { title: 'Sessions', number: true, cell: (node) => count(node.sessions) },
            { title: 'Channels', number: true, cell: (node) => count(node.channels) },
            { title: 'Subscriptions', number: true, cell: (node) => count(node.subscriptions) },
            { title: 'Publications', number: true, cell: (node) => short(node.publications) },
            { title: 'Deliveries', number: true, cell: (node) => short(node.deliveries) },
          ]}
        />
      )}
    </>
  );
}
