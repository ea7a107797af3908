// How to join a channel from elsewhere: lines to copy, for the channel that the page shows.

/** The lines, by the id of the element that shows each. base is the node's URL without a slash at its end. */
export function ways(base, channel) {
  const url = `${base}/channels/${inPath(channel)}`;
  const socket = url.replace(/^http/, 'ws');
  const near = ['http://127.0.0.1:8000', 'http://localhost:8000'].includes(base); // where the commands look by themselves
  const named = `${near ? '' : ` --url ${inShell(base)}`}${channel.startsWith('-') ? ' --' : ''} ${inShell(channel)}`;
  return {
    'curl-post': `curl -d hello ${inShell(url)}`,
    'curl-events': `curl -N -H 'Accept: text/event-stream' ${inShell(url)}`,
    'curl-poll': `curl ${inShell(`${url}?wait=30s`)}`,
    'cli-subscribe': `ringdown subscribe${named}`,
    'cli-publish': `ringdown publish${named} hello`,
    'js-events': `new EventSource(${inScript(url)}).onmessage = (e) => console.log(e.data)`,
    'js-socket': `new WebSocket(${inScript(socket)}).onmessage = (e) => console.log(e.data)`,
  };
}

/** A channel's name as it stands in the path of a URL, and needs no quotes there. */
export function inPath(name) {
  return encodeURIComponent(name).replace(/['()*!~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function inShell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function inScript(text) {
  return `'${text}'`; // escaped as in a path, it holds no quote
}
