// Steering: by keys, or by holding a mouse or a finger where one wants to go.

const keys: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], KeyA: [-1, 0], KeyD: [1, 0], KeyW: [0, -1], KeyS: [0, 1],
};
const near = 0.01; // of the height: there already
const slower = 0.12; // of the height: from here on, so as not to go past it, for what is seen is late

export class Steering {
  #canvas: HTMLCanvasElement;
  #own: () => { x: number; y: number } | undefined;
  #pressed = new Set<string>();
  #aim: { x: number; y: number } | undefined; // 0 to 1

  constructor(canvas: HTMLCanvasElement, own: () => { x: number; y: number } | undefined) {
    [this.#canvas, this.#own] = [canvas, own];
    canvas.addEventListener('keydown', (event) => {
      if (!keys[event.code] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault(); // the page would scroll
      this.#pressed.add(event.code);
    });
    canvas.addEventListener('keyup', ({ code }) => this.#pressed.delete(code));
    canvas.addEventListener('blur', () => this.#pressed.clear());
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#point(event);
    });
    canvas.addEventListener('pointermove', (event) => this.#aim && this.#point(event));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => (this.#aim = undefined));
  }

  /** Where to, right and down; 1 is full speed. */
  direction(): [number, number] {
    const own = this.#own();
    if (this.#aim && own) {
      const [dx, dy] = [(this.#aim.x - own.x) * 1.6, this.#aim.y - own.y];
      const away = Math.hypot(dx, dy);
      const speed = Math.min(1, away / slower);
      return away < near ? [0, 0] : [(dx / away) * speed, (dy / away) * speed];
    }
    const held = [...this.#pressed].map((code) => keys[code]!);
    const sign = (axis: 0 | 1) => Math.sign(held.reduce((sum, by) => sum + by[axis], 0));
    return [sign(0), sign(1)];
  }

  #point({ clientX, clientY }: PointerEvent): void {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    this.#aim = { x: (clientX - left) / width, y: (clientY - top) / height };
  }
}
