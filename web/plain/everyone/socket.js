// A raw WebSocket: messages arrive as they were published, and what is sent is published.

export function listen(channel, show) {
  const host = location.origin.replace('http', 'ws');
  const socket = new WebSocket(`${host}/channels/${encodeURIComponent(channel)}`);
  socket.onmessage = ({ data }) => show(data);
  socket.onclose = () => setTimeout(listen, 1000 + 2000 * Math.random(), channel, show);
}
