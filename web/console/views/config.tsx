// The configuration that holds, and where each value comes from.

import { Badge, Empty, Head, Trouble, type Tone } from '../parts/bits.tsx';
import { Find } from '../parts/find.tsx';
import { Table } from '../parts/table.tsx';
import { plural } from '../format.ts';
import { go, link } from '../route.ts';
import { useAsk, useShared } from '../state.ts';
import type { ConfigValue } from '../types.ts';

const tones: Record<ConfigValue['source'], Tone> = { default: 'plain', file: 'accent', environment: 'good', flag: 'warn' };
const sources: [string, string][] = [['', 'All'], ['set', 'Set'], ['file', 'File'], ['environment', 'Environment'], ['flag', 'Flags'], ['default', 'Defaults']];

export function Config({ query }: { query: Record<string, string> }) {
  const { api } = useShared();
  const { find = '', source = '' } = query;
  const asked = useAsk<{ values: ConfigValue[] }>(api, 'config');
  const values = (asked.value?.values ?? []).filter((value) => from(value, source) && has(value, find.toLowerCase()));
  const to = (change: Record<string, string>) => go(link('config', '', { find, source, ...change }), true);
  return (
    <>
      <Head title="Configuration" lead="What holds, and where it comes from. Secrets are not shown.">
        <button class="quiet small" type="button" onClick={asked.again}>Update</button>
      </Head>
      <div class="bar">
        <Find label="Find in the configuration" hint="key, value, or where it is set" value={find} onFind={(text) => to({ find: text })} />
        <div class="choice" role="group" aria-label="Source">
          {sources.map(([value, name]) => (
            <button key={value} type="button" class="quiet small" aria-pressed={source === value} onClick={() => to({ source: value })}>{name}</button>
          ))}
        </div>
      </div>
      <Trouble asked={asked} />
      {asked.value && values.length === 0 && <Empty>Nothing matches.</Empty>}
      {values.length > 0 && (
        <Table
          label="Configuration" rows={values} id={({ key }) => key}
          columns={[
            { title: 'Key', cell: ({ key }) => <code class="key">{key}</code> },
            { title: 'Value', wide: true, cell: ({ value }) => <code>{value === '' ? <span class="faint">empty</span> : value}</code> },
            { title: 'Source', cell: (value) => <><Badge tone={tones[value.source]}>{value.source}</Badge> {value.where && <code class="faint">{value.where}</code>}</> },
          ]}
        />
      )}
      {asked.value && <p class="faint">{plural(values.length, 'value')}</p>}
    </>
  );
}

const from = (value: ConfigValue, source: string): boolean => source === '' || value.source === source || (source === 'set' && value.source !== 'default');

const has = ({ key, value, where }: ConfigValue, text: string): boolean => text === '' || [key, value, where].some((part) => part.toLowerCase().includes(text));
