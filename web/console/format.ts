// How numbers, sizes, times and names are written.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short', year: 'numeric' });

/** 12,345 */
export const count = (n: number): string => whole.format(n);

/** Three digits and a unit, of thousands: 12.3 k */
export function short(n: number): string {
  return scaled(n, 1000, ['', ' k', ' M', ' G', ' T']);
}

/** Three digits and a unit, of 1024: 12.3 KiB */
export function bytes(n: number): string {
  return scaled(n, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
}

function scaled(n: number, step: number, units: string[]): string {
  let unit = 0;
  while (Math.abs(n) >= step && unit < units.length - 1) {
    n /= step;
    unit++;
  }
  const digits = Number.isInteger(n) || Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2;
  return n.toFixed(digits) + units[unit];
}

/** A time in seconds, in the two largest units that it has, or in one that is small enough. */
export function duration(seconds: number): string {
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  const units: [number, string][] = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const at = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const [size, name] = units[at]!;
  const much = Math.floor(seconds / size);
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return next && rest > 0 ? `${much} ${name} ${rest} ${next[1]}` : `${much} ${name}`;
}

/** The time of day, with milliseconds if they are asked for. */
export function time(stamp: string | number, milliseconds = false): string {
  const date = new Date(stamp);
  const text = clock.format(date);
  return milliseconds ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text;
}

/** The time of a day. */
export const moment = (stamp: string): string => `${day.format(new Date(stamp))}, ${time(stamp)}`;

/** How long ago something was. */
export function ago(stamp: string, now = Date.now()): string {
  const seconds = (now - Date.parse(stamp)) / 1000;
  return seconds < 2 ? 'now' : `${duration(Math.floor(seconds))} ago`;
}

const transports: Record<string, string> = {
  websocket: 'WebSocket',
  sse: 'SSE',
  poll: 'Polling',
  post: 'POST',
  socketio_websocket: 'Socket.IO, WS',
  socketio_polling: 'Socket.IO, polling',
};

export const transport = (name: string): string => transports[name] ?? name;

/** drop_oldest as words. */
export const words = (name: string): string => name.replaceAll('_', ' ');

/** One of it, or so many. */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
