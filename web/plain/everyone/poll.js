// Long polls: each answer says after what the next request goes on. In dev mode a client may name itself; one without a name that
// polls is not among those present.

export async function listen(channel, show) {
  for (let cursor = ''; ; ) {
    try {
      const response = await fetch(`/channels/${encodeURIComponent(channel)}?user=poll&wait=30s${cursor && `&after=${cursor}`}`);
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.detail);
      if (answer.recovered === false || answer.gaps) show('something is missing here', 'gap');
      for (const { data, event } of answer.messages) show(data, event);
      cursor = answer.cursor;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000 + 2000 * Math.random()));
    }
  }
}
