// The official client of Socket.IO, for scripts outside this folder.

export { io } from 'socket.io-client';
