// The ws library, for scripts outside this folder.

export { WebSocket, WebSocketServer } from 'ws';
