// Socket.IO without its library, to show what is on the wire: with the library it is io().on('message', …) and emit('join', …).

export function listen(channel, show) {
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  socket.binaryType = 'blob';
  let event; // whose bytes follow
  socket.onmessage = ({ data }) => {
    if (data instanceof Blob) return show(data, event);
    const [, packet, json] = /^(4[0-6]|.)[^[{]*(.*)$/s.exec(data);
    if (packet === '0') socket.send('40'); // opened: connect
    if (packet === '2') socket.send('3'); // ping: pong
    if (packet === '40') socket.send(`42${JSON.stringify(['join', channel])}`);
    if (packet !== '42' && packet !== '45') return;
    const [name, content] = JSON.parse(json);
    event = name === 'message' ? undefined : name;
    if (packet === '42') show(content, event);
  };
  socket.onclose = () => setTimeout(listen, 1000 + 2000 * Math.random(), channel, show);
}
