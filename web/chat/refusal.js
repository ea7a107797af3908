// Why a channel cannot be joined. A browser does not show a page how a handshake was refused; a plain request to the same
// URL is refused for the same reason, and tells it.

const patience = 5_000; // ms
const tellingStatuses = [400, 403, 503]; // with others, a plain request has its own reasons: it is no handshake

/** Asks the URL of a channel (ws: or wss:), and returns { status, sentence } if it tells, otherwise null. */
export async function whyRefused(address) {
  try {
    const response = await fetch(address.replace(/^ws/, 'http'), { cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (!tellingStatuses.includes(response.status)) return null;
    const sentence = (await response.json()).detail; // application/problem+json
    return sentence ? { status: response.status, sentence } : null;
  } catch {
    return null; // nobody there, or somebody else
  }
}
