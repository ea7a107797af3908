// Who is here: a count and some names on one line, which takes as much room whoever comes and goes, and the whole list
// behind it. It changes at most twice a second, and is not read out.

const pace = 500; // ms

export class People {
  #box;
  #line;
  #list;
  #latest = null;
  #timer = 0;

  /** box is a details element, line is in its summary, list is what it opens. */
  constructor({ box, line, list }) {
    this.#box = box;
    this.#line = line;
    this.#list = list;
    document.addEventListener('click', (event) => {
      if (!box.contains(event.target)) box.open = false;
    });
    box.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      box.open = false;
      box.querySelector('summary').focus();
    });
  }

  /** Shows { count, names }, of which names may be fewer; or that nobody knows, by null. */
  show(people) {
    this.#latest = people;
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#draw(this.#latest);
    }, pace);
  }

  #draw(people) {
    this.#box.classList.toggle('unknown', !people);
    if (!people) {
      this.#box.open = false;
      this.#line.textContent = '';
      return;
    }
    const { count } = people;
    const names = [...people.names].sort((a, b) => a.localeCompare(b));
    const others = Math.max(0, count - names.length);
    const nameless = others && names.length ? `${others} without a name` : '';
    this.#line.textContent = `${count} here${names.length ? ': ' : ''}${[...names, nameless].filter(Boolean).join(', ')}`;
    this.#list.replaceChildren(...[...names, nameless].filter(Boolean).map(item));
  }
}

function item(text) {
  const li = document.createElement('li');
  li.dir = 'auto';
  li.textContent = text;
  return li;
}
