// Payloads, between what programs hold and what stands in JSON: a string is text, bytes are base64, any other value is JSON.

/** How data stands in a message. */
export interface Encoded {
  data: unknown;
  encoding?: 'base64';
}

/** Data as it is sent. Throws a TypeError for what has no JSON, such as undefined or a function. */
export function encode(data: unknown): Encoded {
  if (data instanceof ArrayBuffer) return { data: toBase64(new Uint8Array(data)), encoding: 'base64' };
  if (ArrayBuffer.isView(data)) {
    return { data: toBase64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)), encoding: 'base64' };
  }
  if (JSON.stringify(data) === undefined) {
    throw new TypeError(`${typeof data} cannot be sent; send text, bytes, or what JSON can hold`);
  }
  return { data };
}

/** Data as the program gets it: bytes are a Uint8Array. */
export function decode({ data, encoding }: { data?: unknown; encoding?: string }): unknown {
  return encoding === 'base64' ? fromBase64(data as string) : data;
}

function toBase64(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let i = 0; i < bytes.length; i += 0x8000) {
    pieces.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000))); // few enough arguments for any engine
  }
  return btoa(pieces.join(''));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
