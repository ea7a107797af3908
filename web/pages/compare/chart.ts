// The chart: how late messages come, way by way, over the last minute, on a logarithmic scale.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const span = 60; // s
const marks = new Map([[0.1, '0.1 ms'], [1, '1 ms'], [10, '10 ms'], [100, '100 ms'], [1_000, '1 s'], [10_000, '10 s']]);

export class Chart {
  #place: HTMLElement;
  #names: string[];
  #data: (number | null)[][];
  #plot: uPlot | undefined;

  constructor(place: HTMLElement, names: string[]) {
    this.#place = place;
    this.#names = names;
    this.#data = [[], ...names.map(() => [])];
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#build());
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
    this.#build();
  }

  /** Adds a moment, in s, and the latency of each way then, in ms. */
  add(at: number, values: (number | null)[]): void {
    [at, ...values].forEach((value, i) => this.#data[i]!.push(value));
    while (this.#data[0]![0]! < at - span) for (const column of this.#data) column.shift();
    this.#plot!.setData(this.#data as uPlot.AlignedData);
  }

  clear(): void {
    this.#data = this.#data.map(() => []);
  }

  #build(): void {
    this.#plot?.destroy();
    const colour = (name: string) => getComputedStyle(this.#place).getPropertyValue(name).trim();
    const axis = { stroke: colour('--faint'), grid: { stroke: colour('--rule'), width: 1 }, ticks: { stroke: colour('--rule'), width: 1 } };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        scales: { y: { distr: 3, range: [0.1, 10_000] } },
        axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map((ms) => marks.get(ms) ?? '') }],
        series: [{}, ...this.#names.map((label, i) => ({ label, stroke: colour(`--way-${i}`), width: 2, spanGaps: true, value: (_: uPlot, ms: number | null) => (ms === null ? '–' : `${ms.toFixed(1)} ms`) }))],
      },
      this.#data as uPlot.AlignedData,
      this.#place,
    );
  }

  #size(): { width: number; height: number } {
    return { width: this.#place.clientWidth, height: 260 };
  }
}
