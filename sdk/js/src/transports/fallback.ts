// What is loaded only where WebSockets do not pass.

export { longPolling } from './poll.js';
export { serverSentEvents } from './sse.js';
