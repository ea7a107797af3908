// The server's side of it: simulated clients, in a process of their own, listen in one way after the other, and the server looks at its
// CPU time.

export interface Run {
  way: string;
  clients: number;
  seconds: number;
  messages: number;
  requests: number;
  bytes_in: number;
  bytes_out: number;
  cpu_seconds: number;
}

export const order = ['nobody', 'short-poll', 'long-poll', 'sse', 'websocket'] as const;

/** Runs all ways, and tells each result. */
export async function runAll(clients: number, seconds: number, begin: (way: string) => void, done: (run: Run) => void): Promise<void> {
  for (const way of order) {
    begin(way);
    const answer = await fetch(`/compare/run?way=${way}&clients=${clients}&seconds=${seconds}`, { method: 'POST' });
    if (!answer.ok) throw new Error(await answer.text());
    done(await answer.json());
  }
}

/** CPU time for one message in µs, without what the node and the feed take by themselves. */
export function cpuEach(run: Run, idle: Run): number {
  return (Math.max(0, run.cpu_seconds - (idle.cpu_seconds / idle.seconds) * run.seconds) / run.messages) * 1e6;
}
