// What stands behind the # of the address, as text.

/** The name that the address has, or another one if it has none. */
export function named(otherwise: string): string {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash) || otherwise;
  } catch {
    return hash; // a stray percent sign
  }
}
