// Publishing into a channel, as the server.

import { useState } from 'preact/hooks';
import { wordsOf } from '../api.ts';
import { count, plural } from '../format.ts';
import { useShared } from '../state.ts';
import type { Published } from '../types.ts';

export function Publish({ path, onDone }: { path: string; onDone: () => void }) {
  const { api } = useShared();
  const [kind, setKind] = useState<'text' | 'json'>('text');
  const [done, setDone] = useState<Published>();
  const [trouble, setTrouble] = useState('');

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = String(form.get('data'));
    setDone(undefined);
    setTrouble('');
    try {
      const data: unknown = kind === 'json' ? parsed(text) : text;
      setDone(await api.post<Published>(`${path}/publish`, { data, event: String(form.get('event')), key: String(form.get('key')) }));
      onDone();
    } catch (error) {
      setTrouble(wordsOf(error));
    }
  };

  return (
    <section class="sheet">
      <h3>Publish, as the server</h3>
      <form class="publish" onSubmit={submit} autocomplete="off">
        <label class="data">
          <span>Data</span>
          <textarea name="data" rows={3} required spellcheck={false} placeholder={kind === 'json' ? '{"hello": "world"}' : 'hello'} />
        </label>
        <fieldset class="choice">
          <legend>It is</legend>
          <label><input type="radio" name="kind" value="text" checked={kind === 'text'} onChange={() => setKind('text')} /> text</label>
          <label><input type="radio" name="kind" value="json" checked={kind === 'json'} onChange={() => setKind('json')} /> JSON</label>
        </fieldset>
        <label><span>Event <i>optional</i></span><input name="event" maxLength={255} /></label>
        <label><span>Key <i>optional</i></span><input name="key" maxLength={255} /></label>
        <button type="submit">Publish</button>
      </form>
      <p role="status" class={trouble ? 'bad said' : 'said'}>
        {trouble || (done && `Published${done.offset ? ` as number ${count(done.offset)}` : ''}, to ${plural(done.subscribers, 'subscriber')} of this node${done.lagging ? `, of whom ${done.lagging} read slowly` : ''}.`)}
      </p>
    </section>
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${wordsOf(error)}.`);
  }
}
