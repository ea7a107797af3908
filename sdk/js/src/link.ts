// A link: one connection over one transport, from the attempt to its end. It is open when something has passed both ways, and a
// heartbeat notices when nothing passes any more.

import type { Clock } from './clock.js';
import { ping, type Heard } from './protocol.js';
import type { Address, Ending, Transport, Wire } from './transports/transport.js';

/** How soon a dead line is noticed. All in ms. */
export interface HeartbeatOptions {
  /** The server is asked for a sign of life after this time of silence. 10,000 unless told otherwise. */
  interval?: number;
  /** And has to give one within this time. 5000 unless told otherwise. */
  timeout?: number;
}

const opening = 10_000; // ms for a connection to be accepted
const greeting = 5_000; // ms from there until something has passed both ways
const lookTimeout = 3_000; // ms for a sign of life when there is reason to doubt
const late = 2_000; // ms by which a timer is late only if the machine or the page slept

/** Who has a link. */
export interface LinkOwner {
  opened(welcome: Heard): void;
  heard(message: Heard): void;
  /** The end. The link says nothing after it. */
  ended(ending: Ending): void;
}

export class Link {
  #clock: Clock;
  #owner: LinkOwner;
  #interval: number;
  #timeout: number;
  #wire: Wire | undefined;
  #accepted = false;
  #welcome: Heard | undefined;
  #open = false;
  #over = false;
  #heardAt = 0;
  #cancel: () => void; // the one timer: opening, greeting, heartbeat or answer

  /** Throws what the transport throws that cannot even try, as a WebSocket does for a token that cannot be a subprotocol. */
  constructor(clock: Clock, transport: Transport, address: Address, first: readonly string[], beat: HeartbeatOptions, owner: LinkOwner) {
    this.#clock = clock;
    this.#owner = owner;
    this.#interval = beat.interval ?? 10_000;
    this.#timeout = beat.timeout ?? 5_000;
    this.#cancel = clock.after(opening, () => this.#end({ kind: 'silent', message: 'the server did not answer' }));
    try {
      this.#wire = transport.open(address, [ping, ...first], {
        accepted: () => this.#wasAccepted(),
        message: (message) => this.#hear(message),
        alive: () => void (this.#heardAt = clock.now()),
        ended: (ending) => this.#end(ending),
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  send(commands: readonly string[]): void {
    if (!this.#over && commands.length > 0) this.#wire?.send(commands);
  }

  close(): void {
    this.#over = true;
    this.#cancel();
    this.#wire?.close();
  }

  /** Makes sure that the line lives, for there is reason to doubt. */
  check(): void {
    if (this.#open) this.#ask(lookTimeout);
  }

  #wasAccepted(): void {
    if (this.#accepted || this.#over || this.#open) return;
    this.#accepted = true;
    this.#cancel();
    this.#cancel = this.#clock.after(greeting, () =>
      this.#end({ kind: 'silent', message: 'the connection was accepted, but nothing passes over it' }),
    );
  }

  #hear(message: Heard): void {
    if (this.#over) return;
    this.#heardAt = this.#clock.now();
    if (message.type === 'welcome') {
      this.#welcome = message;
    } else if (message.type === 'pong') {
      this.#answered();
    } else {
      this.#owner.heard(message);
    }
  }

  // The answer to the first ping shows that what this side says arrives, too.
  #answered(): void {
    if (this.#open || !this.#welcome) return;
    this.#open = true;
    this.#rest(this.#interval);
    this.#owner.opened(this.#welcome);
  }

  #rest(ms: number): void {
    this.#cancel();
    this.#cancel = this.#clock.after(ms, () => {
      const left = this.#heardAt + this.#interval - this.#clock.now();
      if (left > 0) this.#rest(left);
      else this.#ask(this.#timeout);
    });
  }

  #ask(timeout: number): void {
    const { now, after } = this.#clock;
    const asked = now();
    this.send([ping]);
    this.#cancel();
    this.#cancel = after(timeout, () => {
      if (this.#heardAt > asked) this.#rest(this.#heardAt + this.#interval - now());
      else if (now() > asked + timeout + late) this.#ask(timeout); // an answer may have come while this side slept, and not been heard
      else this.#end({ kind: 'silent', message: `the server gave no sign of life for ${timeout} ms` });
    });
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.close();
    this.#owner.ended(ending);
  }
}
