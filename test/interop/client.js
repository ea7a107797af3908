// ws as the client of our server. Each command opens a connection, does one thing on it, and tells what it saw.
//
// All take what ws is constructed with: { url, protocols, options }.

import { serve } from '../node/peer.js';
import { WebSocket } from '../node/ws.js';
import { Line, opened } from './line.js';
import { binary, json, pieces, text } from './payloads.js';

async function open({ url, protocols = [], options = {} }) {
  const ws = new WebSocket(url, protocols ?? [], options ?? {});
  const line = new Line(ws);
  ws.once('upgrade', (response) => (line.extensions = response.headers['sec-websocket-extensions'] ?? ''));
  await opened(ws);
  return line;
}

/** The messages of the sizes, as text and as binary, whole and in fragments, and then the JSON ones. */
function* conversation({ sizes, fragments, jsons }) {
  for (const size of sizes ?? []) {
    for (const [bytes, isBinary] of [[text(size), false], [binary(size), true]]) {
      yield { bytes, isBinary, fragments: 1 };
      if (fragments > 1) yield { bytes, isBinary, fragments };
    }
  }
  for (let n = 0; n < jsons; n++) yield { bytes: json(n), isBinary: false, fragments: 1 };
}

function send(ws, { bytes, isBinary, fragments }) {
  pieces(bytes, fragments).forEach((piece, i) => ws.send(piece, { binary: isBinary, fin: i === fragments - 1 }));
}

serve({
  /** Tells how the handshake went, and hangs up. */
  async handshake(args) {
    try {
      const line = await open(args);
      line.ws.terminate();
      return { status: 101, extensions: line.extensions, protocol: line.ws.protocol };
    } catch (error) {
      if (!error.response) return { error: error.message };
      const body = await error.response.toArray();
      return { status: error.response.statusCode, body: Buffer.concat(body).toString() };
    }
  },

  /** Sends the conversation without waiting and compares what comes back. */
  async echo(args) {
    const line = await open(args);
    const messages = [...conversation(args)];
    for (const message of messages) send(line.ws, message);
    for (const { bytes, isBinary, fragments } of messages) {
      const back = await line.next();
      if (back.isBinary !== isBinary || !back.data.equals(bytes)) {
        throw new Error(`sent ${bytes.length} bytes in ${fragments} frames, binary ${isBinary}; back came ${back.data.length} other bytes, binary ${back.isBinary}`);
      }
    }
    const wire = line.ws._socket.bytesRead;
    line.ws.close(1000);
    return { extensions: line.extensions, messages: messages.length, wire, end: await line.end() };
  },

  /** Closes with the code and reason; without a code if it is 0. */
  async close(args) {
    const line = await open(args);
    if (args.code) line.ws.close(args.code, args.reason);
    else line.ws.close();
    return line.end();
  },

  /** Goes without a word. */
  async terminate(args) {
    const line = await open(args);
    line.ws.terminate();
    return line.end();
  },

  /** Sends one message, if there is one, and waits for the other side to close. */
  async closed({ message, ...args }) {
    const line = await open(args);
    if (message) line.ws.send(Buffer.from(message.base64, 'base64'), { binary: message.binary });
    return line.end();
  },

  /** Pings, and tells the answer. */
  async ping({ data, ...args }) {
    const line = await open(args);
    const pong = await line.ping(data);
    line.ws.close();
    return pong.toString();
  },

  /** Listens until the other side closes, and tells all that it said. */
  async hear(args) {
    const line = await open(args);
    const end = await line.end();
    const messages = [];
    while (messages.length < args.messages) messages.push((await line.next()).data.toString());
    return { messages, end };
  },
});
