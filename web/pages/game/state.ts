// The messages, as bytes and as objects.

export interface Disc {
  number: number;
  x: number; // 0 to 1
  y: number;
  points: number;
}

export interface State {
  time: number; // ms
  discs: Disc[];
  dots: { x: number; y: number }[];
}

/** What we say: where we steer, from -1 to 1. */
export function input(number: number, dx: number, dy: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(6));
  view.setUint32(0, number);
  view.setInt8(4, Math.round(dx * 127));
  view.setInt8(5, Math.round(dy * 127));
  return new Uint8Array(view.buffer);
}

/** What the server says. */
export function read(bytes: Uint8Array): State {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 6;
  const place = () => ({ x: view.getUint16((at += 2) - 2) / 65535, y: view.getUint16((at += 2) - 2) / 65535 });
  const discs = Array.from({ length: view.getUint8(4) }, () => {
    const number = view.getUint32((at += 4) - 4);
    return { number, ...place(), points: view.getUint16((at += 2) - 2) };
  });
  return { time: view.getUint32(0), discs, dots: Array.from({ length: view.getUint8(5) }, place) };
}
