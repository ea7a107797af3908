// A gauge: the newest value of a device on an arc, and how long ago that was.

/** What a device says. */
export interface Measured {
  name: string;
  value: number;
  unit: string;
  low: number; // the ends of the gauge
  high: number;
}

const ticks = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export class Gauge {
  readonly element = document.createElement('article');
  #heard = 0; // Unix time in ms

  constructor() {
    this.element.className = 'sheet gauge';
    // The arc is 100 long, so that a dash of so many percent shows the value.
    this.element.innerHTML = `<h3></h3>
      <svg viewBox="0 0 120 70" aria-hidden="true">
        <path class="track" d="M12 62a48 48 0 0 1 96 0" pathLength="100"/>
        <path class="value" d="M12 62a48 48 0 0 1 96 0" pathLength="100"/>
      </svg>
      <p class="reading"><b></b> <span></span></p>
      <p class="heard"></p>`;
  }

  show({ name, value, unit, low, high }: Measured, at: number): void {
    const share = Math.min(1, Math.max(0, (value - low) / (high - low || 1))) || 0;
    this.#put('h3', name);
    this.#put('b', ticks.format(value));
    this.#put('.reading span', unit);
    this.element.style.setProperty('--percent', (share * 100).toFixed(1));
    this.#heard = at;
  }

  /** Shows the age of the value, and returns whether the device is heard. */
  age(silent: number): boolean {
    const age = Math.max(0, Date.now() - this.#heard);
    const heard = age < silent;
    this.element.classList.toggle('silent', !heard);
    const seconds = Math.round(age / 1000);
    const ago = seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
    this.#put('.heard', heard ? (seconds < 2 ? 'now' : `${ago} ago`) : `silent for ${ago}`);
    return heard;
  }

  #put(selector: string, text: unknown): void {
    const place = this.element.querySelector(selector)!;
    if (place.textContent !== String(text)) place.textContent = String(text);
  }
}
