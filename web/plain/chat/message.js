// What a message looks like: the chat's own are text by somebody; others have an event name, are JSON, or bytes.

const mostBytes = 64; // shown of a binary message

/** What to show of a message object of the server (docs/protocol.md): all of it is text. */
export function looksOf({ user = '', event, key, data, encoding, time }) {
  const at = time ? Date.parse(time) : Date.now();
  const labels = [event, key].filter(Boolean);
  if (encoding === 'base64') {
    const bytes = bytesOf(data);
    labels.push(`${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}`);
    return { author: user, labels, kind: 'binary', text: hex(bytes), at };
  }
  if (typeof data === 'string') return { author: user, labels, kind: 'text', text: data, at };
  return { author: user, labels: [...labels, 'JSON'], kind: 'json', text: JSON.stringify(data, null, 2), at };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function hex(bytes) {
  const shown = Array.from(bytes.slice(0, mostBytes), (byte) => byte.toString(16).padStart(2, '0'));
  return shown.join(' ') + (bytes.length > mostBytes ? ' …' : '');
}
