// Server-Sent Events: the browser comes back by itself, and the server goes on where it was.

export function listen(channel, show) {
  const events = new EventSource(`/channels/${encodeURIComponent(channel)}`);
  events.onmessage = ({ data }) => show(data);
  events.addEventListener('price', ({ data }) => show(data, 'price')); // each event name for itself
  events.addEventListener('gap', () => show('something is missing here', 'gap'));
}
