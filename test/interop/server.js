// ws as the server that our client meets. Each listener does one thing with those who connect.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';

import { serve } from '../node/peer.js';
import { WebSocketServer } from '../node/ws.js';
import { Line } from './line.js';
import { pieces } from './payloads.js';

const lines = new Map(); // connections by the client's port

/** What a listener does with a connection, by the name that the test gives. */
const behaviours = {
  listen() {},
  echo({ ws }, { fragments = 1 }) {
    ws.on('message', (data, isBinary) => {
      pieces(data, fragments).forEach((piece, i) => ws.send(piece, { binary: isBinary, fin: i === fragments - 1 }));
    });
  },
  close({ ws }, { code, reason }) {
    if (code) ws.close(code, reason);
    else ws.close();
  },
  terminate({ ws }) {
    ws.terminate();
  },
  say({ ws }, { messages }) {
    for (const { base64, binary } of messages) ws.send(Buffer.from(base64 ?? '', 'base64'), { binary });
  },
  async ping(line, { data }) {
    line.ws.send(await line.ping(data), { binary: false });
  },
};

serve({
  /** Starts a listener and tells its port. options are those of ws, protocol the one that it chooses if offered. */
  async listen({ behaviour, options, tls, protocol, origin, ...args }) {
    const http = tls ? createSecureServer(tls) : createServer();
    const server = new WebSocketServer({
      server: http,
      verifyClient: origin ? (info, answer) => answer(info.origin === origin, 403, `origin ${info.origin} is not welcome`) : undefined,
      handleProtocols: protocol ? (offered) => offered.has(protocol) && protocol : undefined,
      ...options,
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    server.on('connection', (ws, request) => {
      const line = new Line(ws);
      lines.set(String(request.socket.remotePort), line);
      behaviours[behaviour](line, args);
    });
    return http.address().port;
  },

  /** Tells how the connection from the port ended. */
  async ended({ port }) {
    return lines.get(port).end();
  },
});
