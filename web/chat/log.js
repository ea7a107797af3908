// The log: what was said, oldest first, and below it what is still on its way. Everything that came over the line is
// put on the page as text, never as markup.

const mostEntries = 500; // older ones leave the page
const mostCharacters = 10_000; // shown of one message
const mostBytes = 64; // shown of a binary message
const sameBreath = 5 * 60_000; // ms within which an author's next message goes without his name
const hues = 8; // colours of names, as the style sheet has them

export class Log {
  #list;
  #scroll;
  #latest;
  #nothingYet;
  #mine = new WeakSet(); // entries of this tab
  #inviting = false; // somebody could speak

  constructor({ list, scroll, latest, nothingYet }) {
    this.#list = list;
    this.#scroll = scroll;
    this.#latest = latest;
    this.#nothingYet = nothingYet;
    latest.addEventListener('click', () => this.#toEnd());
    scroll.addEventListener('scroll', () => {
      if (this.#atEnd()) latest.hidden = true;
    });
  }

  clear() {
    this.#list.replaceChildren();
    this.#latest.hidden = true;
    this.#invite();
  }

  /** Says whether the line is open: an empty log then invites to speak. */
  set inviting(value) {
    this.#inviting = value;
    this.#invite();
  }

  /** Shows what somebody said with a page like this one. */
  said(message) {
    this.#append(entry(message));
  }

  /** Shows text or bytes that are no chat message, as they came. */
  raw(id, data) {
    const isText = typeof data === 'string';
    const li = entry({ id, name: isText ? 'raw text' : `binary, ${count(data.byteLength, 'byte')}`, text: isText ? data : hex(data), at: Date.now() });
    li.classList.add('raw');
    this.#append(li);
  }

  /** Shows a message of this tab in grey, until it is settled, and returns its entry. */
  pending(message) {
    const li = entry(message);
    li.classList.add('own', 'pending');
    this.#mine.add(li);
    this.#append(li, null);
    this.#toEnd();
    return li;
  }

  /** The message came back: everybody has it now, after all that came before. */
  settled(li) {
    li.classList.remove('pending');
    this.#append(li);
  }

  /** The message will not be sent. */
  refused(li, why) {
    li.classList.remove('pending');
    li.classList.add('refused');
    const note = document.createElement('p');
    note.className = 'why';
    note.textContent = `not sent: ${why}`;
    li.append(note);
    this.#append(li);
  }

  /** Shows something that happened to the line. */
  note(text) {
    const li = document.createElement('li');
    li.className = 'note';
    li.textContent = text;
    this.#append(li);
  }

  // Entries go before the first pending one, pending ones to the end (before null).
  #append(li, before = this.#list.querySelector('.pending')) {
    const follow = this.#atEnd();
    this.#list.insertBefore(li, before);
    this.#invite();
    this.#group(li);
    if (li.nextElementSibling) this.#group(li.nextElementSibling);
    while (this.#list.children.length > mostEntries) this.#list.firstElementChild.remove();
    if (follow || this.#mine.has(li)) this.#toEnd();
    else this.#latest.hidden = false;
  }

  #invite() {
    this.#nothingYet.hidden = !this.#inviting || this.#list.children.length > 0;
  }

  // An entry that goes on where the one before it stopped does not repeat its author.
  #group(li) {
    const before = li.previousElementSibling;
    const goesOn =
      before?.classList.contains('message') &&
      before.dataset.author === li.dataset.author &&
      before.classList.contains('own') === li.classList.contains('own') &&
      Number(li.dataset.at) - Number(before.dataset.at) < sameBreath;
    li.classList.toggle('goes-on', Boolean(goesOn));
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#latest.hidden = true;
  }
}

function entry({ id, name, text, at }) {
  const li = document.createElement('li');
  li.className = 'message';
  li.dataset.id = id;
  li.dataset.author = name;
  li.dataset.at = String(at);
  li.dataset.hue = String(hueOf(name));

  const head = document.createElement('p');
  head.className = 'head';
  const author = document.createElement('bdi');
  author.className = 'author';
  author.textContent = name;
  const time = document.createElement('time');
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  head.append(author, ' ', time);

  const body = document.createElement('p');
  body.className = 'body';
  body.dir = 'auto';
  body.textContent = text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}… (${count(text.length - mostCharacters, 'more character')})`;

  li.append(head, body);
  return li;
}

function hueOf(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return hash % hues;
}

function hex(buffer) {
  const shown = Array.from(new Uint8Array(buffer, 0, Math.min(buffer.byteLength, mostBytes)), (byte) => byte.toString(16).padStart(2, '0'));
  return shown.join(' ') + (buffer.byteLength > mostBytes ? ' …' : '');
}

function count(n, noun) {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
