// Cursors of several channels as one (docs/channels.md).

const most = 300; // channels whose positions are sure to fit into the 8 KiB that a server takes; one that does not is told of a gap

const numbering = (part: string) => part.split('-')[0]!;
const offset = (part: string) => Number(part.split('-')[1]);

/** Tells whether a position in one channel is that, or beyond it, which a cursor holds for the channel. */
export function reaches(at: string, cursor: string): boolean {
  return cursor.split('.').some((part) => numbering(part) === numbering(at) && offset(part) <= offset(at));
}

/**
 * Joins cursors. Where a channel is in several of them, that counts which is of it alone, the first of those; otherwise the one that is
 * further.
 */
export function joined(cursors: readonly (string | undefined)[]): string {
  const alone = cursors.filter((cursor) => cursor && !cursor.includes('.')) as string[];
  const all = cursors.join('.').split('.').sort((a, b) => offset(b) - offset(a));
  const positions = new Map<string, string>();
  for (const part of [...alone, ...all]) {
    if (part && !positions.has(numbering(part))) positions.set(numbering(part), part);
  }
  return [...positions.values()].slice(0, most).join('.');
}
