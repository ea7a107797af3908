// A Socket.IO server with rooms, as its documentation writes one: an event joins a room, another says something to it,
// and a backend says something to it with POST /publish/ROOM. With the address of a Redis as its argument it is one of several.

import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const server = createServer((request, response) => {
  const room = /^\/publish\/(.+)$/.exec(request.url)?.[1];
  if (request.method !== "POST" || room === undefined) {
    response.writeHead(404).end();
    return;
  }
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    io.to(room).emit("message", JSON.parse(body));
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 2 }).end("{}");
  });
});

const io = new Server(server);

const redis = process.argv[2];
if (redis !== undefined) {
  const publisher = createClient({ url: redis });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    socket.join(room);
    done();
  });
  socket.on("echo", (data, done) => done(data));
  socket.on("publish", (room, data) => io.to(room).emit("message", data));
});

server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
