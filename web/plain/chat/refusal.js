// Why a channel cannot be joined. A browser does not show a page how a handshake was refused; a poll of the channel is refused
// for the same reason, and tells it.

const patience = 5_000; // ms
const tellingStatuses = [400, 401, 403, 429, 503]; // with others, a poll has its own reasons: it is no handshake

/** Asks for a channel as a user, and returns { status, sentence } if it tells, otherwise null. */
export async function whyRefused(channel, user) {
  try {
    const address = `/channels/${encodeURIComponent(channel)}?user=${encodeURIComponent(user)}`;
    const response = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(patience) });
    if (!tellingStatuses.includes(response.status)) return null;
    const sentence = (await response.json()).detail; // application/problem+json
    return sentence ? { status: response.status, sentence } : null;
  } catch {
    return null; // nobody there, or somebody else
  }
}
