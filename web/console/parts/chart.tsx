// A chart of the last ten minutes, with a legend that reads the moment under the pointer, or else the last one.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { time } from '../format.ts';
import { kept, stacked, type Values } from '../samples.ts';

export interface Line {
  label: string;
  /** One of the colours --c1 to --c8. */
  color: number;
  values: Values;
}

interface Props {
  title: string;
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  /** The same on the axis; format if there is none. */
  axis?: (value: number) => string;
  /** Steps of the axis are powers of 2 of it, if they are not of 10. */
  binary?: boolean;
  /** What the axis shows at least. */
  least: number;
  /** One upon the other, with the sum as the outline. */
  stack?: boolean;
  /** What is said beside the title. */
  note?: string;
}

const height = 150; // pixels
const fewest = 60; // seconds that are drawn at least, however new the node is
const twos = Array.from({ length: 48 }, (_, i) => 2 ** i);

export function Chart({ title, times, lines, format, axis = format, binary = false, least, stack = false, note }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [at, setAt] = useState<number | null>(null);
  const dark = useDark();
  const shape = lines.map((line) => line.label + line.color).join();
  const drawn = stack ? stacked(lines.map((line) => line.values)) : lines.map((line) => line.values);
  const data = [times, ...drawn] as uPlot.AlignedData;

  useLayoutEffect(() => {
    const box = place.current!;
    const made = new uPlot(options(box, lines, { axis, binary, least, stack, onMove: setAt }), data, box);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, dark, stack]);

  useEffect(() => plot.current?.setData(data));

  const moment = at !== null && at < times.length ? at : times.length - 1;
  return (
    <figure class="sheet chart">
      <figcaption>
        <h3>{title}</h3>
        <span class="faint when">{at !== null && times[moment] ? time(times[moment] * 1000) : note}</span>
      </figcaption>
      <ul class="legend">
        {lines.map(({ label, color, values }) => {
          const value = values[moment];
          return (
            <li key={label}>
              <span class={`swatch c${color}`} aria-hidden="true" />{label} <b>{value === null || value === undefined ? '–' : format(value)}</b>
            </li>
          );
        })}
      </ul>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  );
}

interface Looks {
  axis: (value: number) => string;
  binary: boolean;
  least: number;
  stack: boolean;
  onMove: (at: number | null) => void;
}

function options(box: HTMLElement, lines: Line[], { axis: written, binary, least, stack, onMove }: Looks): uPlot.Options {
  const style = getComputedStyle(box);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color('--faint'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--rule'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: box.clientWidth,
    height,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false, sync: { key: 'overview', setSeries: false } },
    scales: {
      x: { time: true, range: (_, from, to) => [Math.max(to - kept + 1, Math.min(from, to - fewest)), to] },
      y: { range: (_, __, max) => [0, Math.max(max ?? 0, least) * 1.08] },
    },
    axes: [
      { ...axis, space: 70, size: 24, gap: 4, values: (_, ticks) => ticks.map((tick) => time(tick * 1000).slice(0, (ticks[1] ?? 0) - (ticks[0] ?? 0) < 60 ? 8 : 5)), incrs: [10, 15, 30, 60, 120, 180, 300] },
      { ...axis, space: 36, size: 58, gap: 4, values: (_, ticks) => ticks.map((tick) => (tick === 0 ? '0' : written(tick))), ...(binary ? { incrs: twos } : {}) },
    ],
    series: [
      {},
      ...lines.map(
        (line, i): uPlot.Series => ({
          stroke: color(`--c${line.color}`),
          width: 1.6,
          points: { show: false },
          ...(stack && i > 0 ? {} : { fill: `${color(`--c${line.color}`)}${stack ? '55' : '1f'}` }),
        }),
      ),
    ],
    ...(stack ? { bands: lines.slice(1).map((line, i) => ({ series: [i + 2, i + 1] as uPlot.Band.Bounds, fill: `${color(`--c${line.color}`)}55` })) } : {}),
    hooks: { setCursor: [(u) => onMove(u.cursor.idx ?? null)] },
  };
}

/** Whether it is dark: charts are drawn again when that changes. */
function useDark(): boolean {
  const [dark, set] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => set(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return dark;
}
