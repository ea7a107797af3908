// A payload: as JSON with indents, as text, or as bytes in hex.

import { useState } from 'preact/hooks';
import { bytesOf, fromBase64, hex, pretty } from '../payload.ts';

type Way = 'json' | 'text' | 'hex';

/** Shows a text, or bytes that stand as base64. */
export function Payload({ text, base64 }: { text?: string | undefined; base64?: string | undefined }) {
  const json = text === undefined ? undefined : pretty(text);
  const ways: Way[] = [...(json === undefined ? [] : (['json'] as const)), ...(text === undefined ? [] : (['text'] as const)), 'hex'];
  const [chosen, choose] = useState<Way>();
  const way = chosen && ways.includes(chosen) ? chosen : ways[0]!;
  const data = () => (base64 === undefined ? bytesOf(text ?? '') : fromBase64(base64));
  return (
    <div class="payload">
      <div class="choice" role="group" aria-label="How the payload is shown">
        {ways.map((each) => (
          <button key={each} type="button" class="quiet small" aria-pressed={each === way} onClick={() => choose(each)}>
            {{ json: 'JSON', text: 'Text', hex: 'Hex' }[each]}
          </button>
        ))}
      </div>
      <pre tabIndex={0} aria-label="Payload" class={way}><code>{way === 'json' ? json : way === 'text' ? text : hex(data())}</code></pre>
    </div>
  );
}
