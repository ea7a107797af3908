// The official client of Engine.IO, for scripts outside this folder.

export { Socket } from 'engine.io-client';
