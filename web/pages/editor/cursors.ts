// Where the others are: a caret with a name for each of them, on a copy of the text that lies exactly behind the textarea.

import type { Channel } from '@ringdown/client';
import * as Y from 'yjs';

/** What everybody tells the others, again and again. The place is one in the text, whatever happens around it. */
interface Cursor {
  id: number;
  session: string; // of the line it came over: gone with it
  name: string;
  at: unknown; // a relative position as JSON
}

const pace = 100; // ms between two of ours
const frame = 16; // ms between two pictures
const again = 10_000; // ms until one is repeated for those who came later
const gone = 25_000; // ms without a word
const hues = 6; // as the style sheet has them
const most = 50; // others shown
const longest = 40; // characters of a name

export class Cursors {
  #area: HTMLTextAreaElement;
  #mirror: HTMLElement;
  #text: Y.Text;
  #channel: Channel<Cursor>;
  #who: () => { name: string; session: string };
  #others = new Map<number, { cursor: Cursor; heard: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #picture: ReturnType<typeof setTimeout> | undefined;

  constructor(area: HTMLTextAreaElement, mirror: HTMLElement, text: Y.Text, channel: Channel<Cursor>, who: () => { name: string; session: string }) {
    [this.#area, this.#mirror, this.#text, this.#channel, this.#who] = [area, mirror, text, channel, who];
    channel.on('message', ({ data }) => this.#heard(data));
    channel.on('presence', ({ left }) => {
      for (const [id, { cursor }] of this.#others) if (left && cursor.session === left.session) this.#others.delete(id);
      this.#draw();
    });
    document.addEventListener('selectionchange', () => this.#soon());
    area.addEventListener('input', () => this.#soon());
    area.addEventListener('scroll', () => (mirror.scrollTop = area.scrollTop));
    new ResizeObserver(() => this.#draw()).observe(area);
    text.observe(() => this.#draw());
    setInterval(() => {
      for (const [id, { heard }] of this.#others) if (Date.now() - heard > gone) this.#others.delete(id);
      this.#draw();
      this.#soon();
    }, again);
    this.#soon();
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell(Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.#text, this.#area.selectionEnd)));
    }, pace);
  }

  #tell(at: unknown): void {
    const id = this.#text.doc!.clientID;
    this.#channel.publish({ id, ...this.#who(), at }, { key: String(id) }).catch(() => {}); // the next one says it better
  }

  // Anybody may publish here, and anything.
  #heard(said: Partial<Cursor> | null): void {
    const { id, name = '', session = '', at } = said ?? {};
    if (typeof id !== 'number' || id === this.#text.doc!.clientID) return;
    this.#others.delete(id); // and to the end, so that the first is the one that was silent longest
    this.#others.set(id, { cursor: { id, session, name: String(name).slice(0, longest), at }, heard: Date.now() });
    for (const first of this.#others.keys()) if (this.#others.size > most) this.#others.delete(first);
    this.#draw();
  }

  // Soon, and once for all that comes until then.
  #draw(): void {
    this.#picture ??= setTimeout(() => {
      this.#picture = undefined;
      this.#paint();
    }, frame);
  }

  #paint(): void {
    const text = this.#text.toString();
    const places = [...this.#others.values()].map(({ cursor }) => ({ cursor, at: this.#placeOf(cursor) })).sort((a, b) => a.at - b.at);
    const parts: (string | Node)[] = [];
    let from = 0;
    for (const { cursor, at } of places) {
      const caret = document.createElement('i');
      caret.className = `caret hue-${Math.abs(Math.trunc(cursor.id)) % hues}`;
      caret.dataset.name = cursor.name;
      parts.push(text.slice(from, at), caret);
      from = at;
    }
    this.#mirror.replaceChildren(...parts, `${text.slice(from)}\n`); // a textarea has room for a line that is still empty
    this.#mirror.style.width = `${this.#area.clientWidth}px`; // without its scroll bar
    this.#mirror.scrollTop = this.#area.scrollTop;
    this.#mirror.dataset.others = String(places.length);
  }

  #placeOf({ at }: Cursor): number {
    try {
      return Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(at), this.#text.doc!)?.index ?? 0;
    } catch {
      return 0; // somebody else's idea of a place
    }
  }
}
