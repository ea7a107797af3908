// The chart: one line over the last minute.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const span = 60; // s

export class Chart {
  #place: HTMLElement;
  #times: number[] = [];
  #values: number[] = [];
  #plot: uPlot | undefined;

  constructor(place: HTMLElement) {
    this.#place = place;
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#build());
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
    this.#build();
  }

  /** Adds a value at a Unix time in s. One that is not after the last is one that is there already. */
  add(at: number, value: number): void {
    if (at <= (this.#times.at(-1) ?? 0)) return;
    this.#times.push(at);
    this.#values.push(value);
    while (this.#times[0]! < at - span) {
      this.#times.shift();
      this.#values.shift();
    }
    this.#plot!.setData([this.#times, this.#values]);
  }

  #build(): void {
    this.#plot?.destroy();
    const colour = (name: string) => getComputedStyle(this.#place).getPropertyValue(name).trim();
    const axis = { stroke: colour('--faint'), grid: { stroke: colour('--rule'), width: 1 }, ticks: { show: false } };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        scales: { y: { range: (_, low, high) => [Math.min(low, high - 10) - 5, high + 5] } },
        axes: [axis, { ...axis, size: 40 }],
        series: [{}, { label: 'Orders', stroke: colour('--accent'), fill: colour('--own'), width: 2, points: { show: false } }],
      },
      [this.#times, this.#values],
      this.#place,
    );
  }

  #size(): { width: number; height: number } {
    return { width: this.#place.clientWidth, height: 200 };
  }
}
