// The native protocol: many channels on one line, with cursors, presence, history and errors.

export function listen(channel, show, cursor) {
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/connect`);
  socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', channel, cursor }));
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    cursor = message.cursor ?? cursor;
    if (message.type === 'message') show(message.data, message.event);
    if (message.type === 'gap' || message.recovered === false) show('something is missing here', 'gap');
    if (message.type === 'error') show(message.message, message.code);
  };
  socket.onclose = () => setTimeout(listen, 1000 + 2000 * Math.random(), channel, show, cursor);
}
