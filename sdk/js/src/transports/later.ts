// A transport whose code is loaded when it is first used.

import type { Transport, TransportName, Wire } from './transport.js';

export function later(name: TransportName, load: () => Promise<Transport>): Transport {
  return {
    name,
    open(address, first, hearing) {
      let wire: Wire | undefined;
      let over = false;
      const waiting: string[] = [...first];
      load().then(
        (transport) => void (over || (wire = transport.open(address, waiting, hearing))),
        (error: unknown) => over || hearing.ended({ kind: 'unreachable', message: `${name} could not be loaded: ${String(error)}` }),
      );
      return {
        send: (commands) => void (wire ? wire.send(commands) : waiting.push(...commands)),
        close() {
          over = true;
          wire?.close();
        },
      };
    },
  };
}
