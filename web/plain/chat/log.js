// The log: what was said, oldest first, and below it what is still on its way. Everything that came over the line is
// put on the page as text, never as markup.

import { looksOf } from './message.js';

const mostEntries = 500; // older ones leave the page
const mostCharacters = 10_000; // shown of one message
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

  /** Shows messages of the server, those of mine among them, which came before anybody looked: they are not read out. */
  before(messages, isMine) {
    this.#scroll.ariaLive = 'off';
    for (const message of messages) this.said(message, isMine(message));
    setTimeout(() => (this.#scroll.ariaLive = 'polite'));
    this.#toEnd();
  }

  /** Shows a message of the server. */
  said(message, mine) {
    const li = entry(message.cursor, looksOf(message));
    li.classList.toggle('own', mine);
    this.#append(li);
  }

  /** Shows a text of this tab in grey, until it is settled, and returns its entry. */
  pending(key, name, text) {
    const li = entry(key, looksOf({ user: name, data: text }));
    li.classList.add('own', 'pending');
    this.#mine.add(li);
    this.#append(li, null);
    this.#toEnd();
    return li;
  }

  /** The server has published the pending text as a message: everybody has it now, after all that came before. */
  settled(li, { cursor, time }) {
    const shown = this.#list.querySelector(`[data-id="${CSS.escape(cursor)}"]`);
    if (shown) { // it came back, and was not recognized
      shown.classList.add('own');
      li.remove();
      return;
    }
    li.dataset.id = cursor;
    setTime(li, Date.parse(time));
    li.classList.remove('pending');
    this.#append(li);
  }

  /** The text will not be published. */
  refused(li, why) {
    li.classList.remove('pending');
    li.classList.add('refused');
    const note = document.createElement('p');
    note.className = 'why';
    note.textContent = `not sent: ${why}`;
    li.append(note);
    this.#append(li);
  }

  /** Shows that messages are missing here: those from the one offset to the other, or nobody knows how many. */
  gap({ from, to }) {
    const li = document.createElement('li');
    li.className = 'gap';
    li.textContent = from ? `${count(to - from + 1, 'message')} missing here` : 'Messages may be missing here: the server does not have all that was said in between.';
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

function entry(id, { author, labels, kind, text, at }) {
  const li = document.createElement('li');
  li.className = `message ${kind}`;
  li.dataset.id = id;
  li.dataset.author = [author, ...labels].join('\n');
  li.dataset.hue = author ? String(hueOf(author)) : '';

  const head = document.createElement('p');
  head.className = 'head';
  const name = document.createElement('bdi');
  name.className = author ? 'author' : 'author nameless';
  name.textContent = author || 'without a name';
  head.append(name, ' ');
  for (const label of labels) {
    const mark = document.createElement('bdi');
    mark.className = 'label';
    mark.textContent = label;
    head.append(mark, ' ');
  }
  head.append(document.createElement('time'));

  const body = document.createElement('p');
  body.className = 'body';
  body.dir = 'auto';
  body.textContent = text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}… (${count(text.length - mostCharacters, 'more character')})`;

  li.append(head, body);
  setTime(li, at);
  return li;
}

function setTime(li, at) {
  const time = li.querySelector('time');
  li.dataset.at = String(at);
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function hueOf(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return hash % hues;
}

function count(n, noun) {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
