// Cursors of several channels as one (docs/channels.md).

const most = 300; // channels whose positions are sure to fit into the 8 KiB that a server takes; one that does not is told of a gap

/**
 * Joins cursors. Where a channel is in several of them, that counts which is of it alone, the first of those; otherwise the one that is
 * further.
 */
export function joined(cursors: readonly (string | undefined)[]): string {
  const alone = cursors.filter((cursor) => cursor && !cursor.includes('.')) as string[];
  const offset = (part: string) => Number(part.split('-')[1]);
  const all = cursors.join('.').split('.').sort((a, b) => offset(b) - offset(a));
  const positions = new Map<string, string>();
  for (const part of [...alone, ...all]) {
    const [numbering] = part.split('-') as [string];
    if (part && !positions.has(numbering)) positions.set(numbering, part);
  }
  return [...positions.values()].slice(0, most).join('.');
}
