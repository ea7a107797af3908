// Publishing by POST: the body is the message, and the answer is its receipt.

export async function publish(channel, message, { type = 'text/plain', event = '' } = {}) {
  const response = await fetch(`/channels/${encodeURIComponent(channel)}`, {
    method: 'POST',
    headers: { 'Content-Type': type, ...(event && { 'Ringdown-Event': event }) },
    body: message,
  });
  return response.json();
}
