// The tally: how many prices were published since it began, how many of them came, and where the offsets jumped.

const shown = 40; // offsets

export class Tally {
  #place: (id: string) => HTMLElement;
  #first = 0; // the offset before the first that counts; 0 before any
  #last = 0;
  #time = 0; // Unix time in ms of the last one
  #received = 0;
  #offsets: number[] = [];

  constructor(place: (id: string) => HTMLElement) {
    this.#place = place;
    setInterval(() => this.#show(), 200);
  }

  begin(): void {
    this.#first = this.#last;
    this.#received = 0;
    this.#offsets = [];
  }

  count(offset: number, time: string): void {
    this.#first ||= offset - 1;
    this.#last = offset;
    this.#time = Date.parse(time);
    this.#received++;
    this.#offsets = [...this.#offsets, offset].slice(-shown);
  }

  #show(): void {
    const published = this.#last - this.#first;
    this.#place('published').textContent = published.toLocaleString('en');
    this.#place('received').textContent = this.#received.toLocaleString('en');
    this.#place('skipped').textContent = Math.max(0, published - this.#received).toLocaleString('en');
    if (this.#time) this.#place('age').textContent = `${(Math.max(0, Date.now() - this.#time) / 1000).toFixed(1)} s`;
    this.#place('offsets').replaceChildren(...runs(this.#offsets));
  }
}

/** Offsets as runs of those that follow each other, and between them how many were left out. */
function runs(offsets: number[]): (string | Node)[] {
  const parts: (string | Node)[] = [];
  offsets.forEach((offset, i) => {
    const before = offsets[i - 1];
    const follows = before === offset - 1;
    if (before !== undefined && !follows) parts.push(mark(`${offset - before - 1} left out`), ' ');
    if (!follows) parts.push(`${offset}`);
    if (offsets[i + 1] !== offset + 1) parts.push(follows ? `–${offset} ` : ' ');
  });
  return parts;
}

function mark(text: string): HTMLElement {
  const element = document.createElement('mark');
  element.textContent = text;
  return element;
}
