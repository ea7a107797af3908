// The four ways to listen to a channel, as plain as they are. Each tells what came and what it took, and returns what ends it.

/** What a way tells. Bytes are those on the wire, as far as a page can know them. */
export interface Ear {
  heard(data: Tick): void;
  asked(bytesOut: number): void;
  got(bytesIn: number): void;
}

/** What the feed publishes, ten times a second. */
export interface Tick {
  n: number;
  sent: number; // Unix time in ms, of the server's clock
}

export type Way = (channel: string, ear: Ear) => () => void;

/** Asks again and again what is new. A message waits for the next question. */
export const shortPoll = (every: number): Way => (channel, ear) => poll(channel, ear, '', every);

/** Asks what is new, and the server answers when there is something. */
export const longPoll: Way = (channel, ear) => poll(channel, ear, '&wait=30s', 0);

function poll(channel: string, ear: Ear, how: string, every: number): () => void {
  const end = new AbortController();
  void (async () => {
    let cursor = '';
    while (!end.signal.aborted) {
      try {
        const url = `/channels/${channel}?${cursor ? `after=${cursor}${how}` : 'limit=1'}`;
        ear.asked(requestBytes(url));
        const response = await fetch(url, { signal: end.signal, cache: 'no-store' });
        const body = await response.text();
        ear.got(headBytes(response) + bytesOf(body));
        const answer = JSON.parse(body) as { messages: { data: unknown }[]; cursor: string };
        const asked = cursor;
        cursor = answer.cursor;
        if (asked) for (const { data } of answer.messages) hear(ear, data);
      } catch {
        await sleep(1_000); // the server is not there, or this is the end
      }
      await sleep(every);
    }
  })();
  return () => end.abort();
}

/** One request, and an answer that goes on. */
export const eventStream: Way = (channel, ear) => {
  const url = `/channels/${channel}`;
  const events = new EventSource(url);
  events.onopen = () => {
    ear.asked(requestBytes(url) + bytesOf('Accept: text/event-stream\r\nCache-Control: no-cache\r\n'));
    ear.got(streamHead);
  };
  events.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
    ear.got(bytesOf(`id: ${lastEventId}\ndata: ${data}\n\n`));
    hear(ear, parsed(data));
  };
  return () => events.close();
};

/** One request, and then frames both ways. */
export const webSocket: Way = (channel, ear) => {
  const url = `/channels/${channel}`;
  let socket: WebSocket;
  let timer: ReturnType<typeof setTimeout>;
  const open = () => {
    socket = new WebSocket(location.origin.replace('http', 'ws') + url);
    socket.onopen = () => {
      ear.asked(requestBytes(url) + upgradeFields);
      ear.got(upgradeHead);
    };
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const bytes = typeof data === 'string' ? bytesOf(data) : data.byteLength;
      ear.got(bytes + (bytes < 126 ? 2 : 4));
      if (typeof data === 'string') hear(ear, parsed(data));
    };
    socket.onclose = () => (timer = setTimeout(open, 1_000));
  };
  open();
  return () => {
    socket.onclose = null;
    clearTimeout(timer);
    socket.close();
  };
};

// --- others may publish here, too, and anything ---

function hear(ear: Ear, data: unknown): void {
  if (typeof (data as Tick | null)?.sent === 'number') ear.heard(data as Tick);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// --- bytes that a page cannot see ---

const streamHead = 190; // the head of the answer with an event stream, as this server writes it
const upgradeFields = 180; // what a handshake has beyond another request: Upgrade, Connection, Sec-WebSocket-*, Origin
const upgradeHead = 190; // the head of the 101
let requestHead = 600; // of a fetch of this page, but for its path

/** Takes note of how long the server found a request of this page to a path. */
export function learn(path: string, bytes: number): void {
  requestHead = bytes - path.length;
}

function requestBytes(path: string): number {
  return requestHead + path.length;
}

function headBytes({ headers }: Response): number {
  let bytes = 'HTTP/1.1 200 OK\r\n\r\n'.length;
  for (const [name, value] of headers) bytes += name.length + value.length + ': \r\n'.length;
  return bytes;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
