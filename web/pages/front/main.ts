// The front page: listens to the channel news with nothing but what browsers have, and publishes to it.

import { showCode } from '../../look/code.ts';
import source from './main.ts?raw';

const channel = '/channels/news';
const most = 50; // messages shown
const $ = (id: string) => document.getElementById(id)!;

const news = new EventSource(channel);
news.onopen = () => state('open');
news.onerror = () => state('waiting');
news.onmessage = ({ data }: MessageEvent<string>) => {
  const li = document.createElement('li');
  li.textContent = data;
  $('heard').prepend(li);
  while ($('heard').children.length > most) $('heard').lastElementChild!.remove();
};

function state(word: string): void {
  $('state').dataset.state = $('state').textContent = word;
}

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('text') as HTMLInputElement;
  const { ok } = await fetch(channel, { method: 'POST', body: text.value }).catch(() => ({ ok: false }));
  text.setCustomValidity(ok ? '' : 'It was not published; is the server there, and may you publish?');
  if (ok) text.value = '';
  else text.reportValidity();
});
$('text').addEventListener('input', () => ($('text') as HTMLInputElement).setCustomValidity(''));

$('curl').textContent = `curl -d hello ${location.origin}${channel}`;
$('copy').addEventListener('click', () => void navigator.clipboard.writeText($('curl').textContent!));

showCode({ 'main.ts': source });
