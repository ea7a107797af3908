// The form of Server-Sent Events: lines to events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

export interface StreamEvent {
  id?: string;
  event?: string;
  data?: string;
}

/** Takes a stream piece by piece. Each field of an event is there if the stream had it, so that one with an id alone is seen, too. */
export class EventStream {
  #rest = '';
  #event: StreamEvent = {};

  /** The events that are complete with this piece. */
  take(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const event = this.#line(line.replace(/\r$/, ''));
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') {
      const event = this.#event;
      this.#event = {};
      return event.id !== undefined || event.data !== undefined ? event : undefined;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
    if (name === 'data') this.#event.data = this.#event.data === undefined ? value! : `${this.#event.data}\n${value}`;
    else if (name === 'id' || name === 'event') this.#event[name] = value!;
    return undefined;
  }
}
