// The arena on a canvas, in the colours of the style sheet.

import type { State } from './state.ts';

const hues = 6;

export class Arena {
  #canvas: HTMLCanvasElement;
  #pen: CanvasRenderingContext2D;
  #own: number;
  #colours: { ink: string; faint: string; hues: string[] } | undefined;

  constructor(canvas: HTMLCanvasElement, own: number) {
    [this.#canvas, this.#own] = [canvas, own];
    this.#pen = canvas.getContext('2d')!;
    new ResizeObserver(() => {
      canvas.width = canvas.clientWidth * devicePixelRatio;
      canvas.height = canvas.clientHeight * devicePixelRatio;
    }).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (this.#colours = undefined));
  }

  draw({ discs, dots }: State): void {
    const { width, height } = this.#canvas;
    const colours = (this.#colours ??= this.#read());
    this.#pen.clearRect(0, 0, width, height);
    for (const { x, y } of dots) this.#circle(x, y, 0.006, colours.faint);
    for (const { number, x, y, points } of [...discs].sort((a, b) => a.points - b.points)) {
      const radius = 0.018 * Math.sqrt(1 + points / 6); // as the server has it
      this.#circle(x, y, radius, colours.hues[number % hues]!);
      if (number !== this.#own) continue;
      this.#pen.lineWidth = 0.004 * height;
      this.#pen.strokeStyle = colours.ink;
      this.#pen.stroke();
    }
  }

  #circle(x: number, y: number, radius: number, colour: string): void {
    const { width, height } = this.#canvas;
    this.#pen.beginPath();
    this.#pen.arc(x * width, y * height, radius * height, 0, 2 * Math.PI);
    this.#pen.fillStyle = colour;
    this.#pen.fill();
  }

  #read(): { ink: string; faint: string; hues: string[] } {
    // A variable may hold a light-dark(): only a colour that is used is one.
    const probe = document.createElement('i');
    document.body.append(probe);
    const colour = (name: string) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const colours = { ink: colour('--ink'), faint: colour('--faint'), hues: Array.from({ length: hues }, (_, i) => colour(`--hue-${i}`)) };
    probe.remove();
    return colours;
  }
}
