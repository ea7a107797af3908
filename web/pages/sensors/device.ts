// A device: what it takes to publish a value, and to measure one.

import type { Measured } from './gauge.ts';

/** Publishes a value of a device, with nothing but a POST, and returns the server's receipt. */
export async function publish(channel: string, key: string, measured: Measured): Promise<{ offset: number; subscribers: number }> {
  const body = JSON.stringify(measured);
  const answer = await fetch(`/channels/${channel}?key=${key}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const receipt = await answer.json();
  if (!answer.ok) throw new Error(receipt.detail);
  return receipt;
}

/** Tells how far this device is tilted to the side, in percent, if it knows: 50 lies flat. */
export function tiltOf(tell: (percent: number) => void): void {
  addEventListener('deviceorientation', ({ gamma }) => {
    if (gamma !== null) tell(Math.round(Math.min(100, Math.max(0, 50 + gamma / 1.8))));
  });
}
