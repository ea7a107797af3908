// The lamp in the bar of a page: whether its line is open, and when it is tried again if it is not.

import type { Client } from '@ringdown/client';

/** Shows the state of a client in the element with the id "state". The function returned ends that. */
export function lamp(client: Client): () => void {
  const place = document.getElementById('state')!;
  let timer: ReturnType<typeof setInterval> | undefined;
  const show = (state: string, text = state) => {
    place.dataset.state = state;
    place.textContent = text;
  };
  const opened = () => show('open', client.transport === 'websocket' ? 'open' : `open (${client.transport})`);
  if (client.state === 'open') opened();
  else show(client.state);

  const off = client.on('state', ({ to, wait }) => {
    clearInterval(timer);
    if (to === 'open') return opened();
    show(to);
    if (to !== 'waiting' || !wait) return;
    const until = Date.now() + wait;
    const count = () => show('waiting', `waiting ${Math.max(0, Math.ceil((until - Date.now()) / 1000))} s`);
    count();
    timer = setInterval(count, 500);
  });
  return () => {
    off();
    clearInterval(timer);
  };
}
