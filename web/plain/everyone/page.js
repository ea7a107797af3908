// The page around the clients: each has a pane that shows what it hears and the file that it is, as it runs here.

import { listen as events } from './events.js';
import { listen as native } from './native.js';
import { listen as poll } from './poll.js';
import { listen as socket } from './socket.js';
import { listen as socketio } from './socketio.js';
import { publish } from './publish.js';

const mostShown = 50; // messages in a pane
const mostCharacters = 2_000; // of a message

const $ = (id) => document.getElementById(id);
const channel = channelOfPage();

function channelOfPage() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || 'lobby';
  } catch {
    return location.hash.slice(1); // a stray percent sign
  }
}

function show(list, data, event) {
  const text = data instanceof Blob ? `${data.size} bytes` : typeof data === 'string' ? data : JSON.stringify(data);
  const li = document.createElement('li');
  if (event) {
    const name = document.createElement('b');
    name.textContent = event;
    li.append(name, ' ');
  }
  li.append(text.slice(0, mostCharacters));
  list.append(li);
  if (list.children.length > mostShown) list.firstElementChild.remove();
  list.parentElement.scrollTop = list.parentElement.scrollHeight;
}

async function showSource(code) {
  const response = await fetch(code.dataset.file);
  code.textContent = (await response.text()).trim();
}

for (const [id, listen] of Object.entries({ socket, events, poll, native, socketio })) {
  listen(channel, (data, event) => show($(id), data, event));
}
for (const code of document.querySelectorAll('code[data-file]')) showSource(code).catch(() => (code.textContent = code.dataset.file));

$('publish').addEventListener('submit', async (event) => {
  event.preventDefault();
  const options = { type: $('kind').value, event: $('named').checked ? 'price' : '' };
  try {
    const receipt = await publish(channel, $('message').value, options);
    $('receipt').textContent = receipt.detail ?? JSON.stringify(receipt);
  } catch {
    $('receipt').textContent = 'The server cannot be reached; try again.';
  }
  $('message').select();
});

$('channel').value = channel;
$('channel-form').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent($('channel').value.trim());
});
addEventListener('hashchange', () => location.reload());
for (const link of document.querySelectorAll('.chat')) link.href = `/plain#${encodeURIComponent(channel)}`;
