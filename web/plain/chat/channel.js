// What a channel may be called: the rules of the server (hub.CheckChannel), so that the page can say at once what is wrong
// with a name that somebody types. The server has the last word.

const longest = 255; // bytes of UTF-8

/** A sentence that says what to change in a name, or ''. */
export function problemWith(name) {
  if (name === '') return 'A channel needs a name.';
  if (name.isWellFormed?.() === false) return 'The name is not valid Unicode.';
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > longest) return `The name has ${bytes} bytes; shorten it to at most ${longest}.`;
  const odd = name.match(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u)?.[0];
  if (odd) return `The name holds U+${odd.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}; use printable characters only.`;
  if (name !== name.trim()) return 'The name begins or ends with a space; remove it.';
  if (name === '.' || name === '..') return `"${name}" stands for a folder in a URL; choose another name.`;
  return '';
}

