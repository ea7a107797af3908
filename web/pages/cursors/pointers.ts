// The pointers on the field: one element each, which glides, waves, fades when it is still, and goes.

/** What each person says of himself. */
export interface Pointer {
  name: string;
  hue: number; // 0 to 5, as the style sheet has them
  x: number; // 0 to 1
  y: number;
  waves: number; // so far: counted, so that none is lost where messages are left out
  session: string; // of the line it came over: gone with it
}

const stills = 5_000; // ms without news until a pointer fades
const gone = 600_000; // ms until one that no presence speaks for is taken for gone

export class Pointers {
  #field: HTMLElement;
  #own: string;
  #changed: (names: string[]) => void;
  #all = new Map<string, { element: HTMLElement; pointer: Pointer; at: number }>();

  constructor(field: HTMLElement, own: string, changed: (names: string[]) => void) {
    [this.#field, this.#own, this.#changed] = [field, own, changed];
    setInterval(() => this.#age(), 1000);
  }

  show(id: string, pointer: Pointer, at: number): void {
    if (Date.now() - at > gone) return;
    const element = this.#all.get(id)?.element ?? this.#add(id);
    const waved = pointer.waves > (this.#all.get(id)?.pointer.waves ?? pointer.waves);
    element.className = `pointer hue-${Math.abs(Math.trunc(pointer.hue)) % 6}${id === this.#own ? ' own' : ''}`;
    element.style.setProperty('--x', String(Number(pointer.x)));
    element.style.setProperty('--y', String(Number(pointer.y)));
    element.lastElementChild!.textContent = String(pointer.name).slice(0, 40);
    if (waved) element.animate([{ filter: 'none' }, { filter: 'brightness(1.4)', scale: '1.8' }, { filter: 'none' }], 500);
    this.#all.set(id, { element, pointer: { ...pointer }, at });
    this.#tell();
  }

  /** Takes the pointers of some sessions away. */
  leave(has: (session: string) => boolean): void {
    for (const [id, { pointer }] of this.#all) if (id !== this.#own && has(pointer.session)) this.#remove(id);
  }

  #add(id: string): HTMLElement {
    const element = document.createElement('div');
    element.innerHTML = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 1l5 14 2.5-5.5L14 7z"/></svg><span></span>';
    element.dataset.id = id;
    this.#field.append(element);
    return element;
  }

  #age(): void {
    for (const [id, { element, at }] of this.#all) {
      if (id === this.#own) continue;
      element.classList.toggle('still', Date.now() - at > stills);
      if (Date.now() - at > gone) this.#remove(id);
    }
  }

  #remove(id: string): void {
    this.#all.get(id)?.element.remove();
    this.#all.delete(id);
    this.#tell();
  }

  #tell(): void {
    this.#changed([...this.#all.values()].map(({ pointer }) => String(pointer.name)).sort());
  }
}
