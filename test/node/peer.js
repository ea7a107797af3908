// The far end of peer.go: a command per line on standard input, { id, command, args }, an answer per line on standard
// output, { id, result } or { id, error }. Commands run side by side. The end of the input is the end of the script.

import { createInterface } from 'node:readline';

/** Serves the commands, functions of one object of arguments; leave cleans up at the end. */
export function serve(commands, leave = () => {}) {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, command, args } = JSON.parse(line);
    process.stdout.write(`${JSON.stringify({ id, ...(await run(commands[command], args)) })}\n`);
  });
  lines.on('close', async () => {
    await leave();
    process.exit(0);
  });
}

async function run(command, args) {
  try {
    return { result: (await command(args ?? {})) ?? null };
  } catch (error) {
    return { error: error.stack ?? String(error) };
  }
}

/** The promise, or an error after ms that says what was waited for. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
