// How a day looks: a card for each match, and what happened, the newest first.

import type { Day, Happened, Match } from './day.ts';

const shown = 100; // events
const $ = (id: string) => document.getElementById(id)!;
const states = { 'to come': 'to come', 'first half': '', break: 'half-time', 'second half': '', over: 'full time' };

export function show(day: Day): void {
  const known = `Events ${day.first} to ${day.last}`;
  $('account').textContent = day.missing ? `${known}: ${day.missing} are missing` : `${known}: none is missing`;
  $('account').dataset.missing = String(day.missing);
  $('account').dataset.last = String(day.last);

  day.matches.forEach((match, i) => {
    const card = $('matches').children[i] ?? $('matches').appendChild(newCard());
    fill(card as HTMLElement, match, Date.now() - day.since.get(match.match)!);
  });

  const newest = day.events.slice(-shown).reverse();
  const before = new Map([...$('events').children].map((li) => [(li as HTMLElement).dataset.offset, li]));
  $('events').replaceChildren(...newest.map(({ offset, event, told }) => before.get(String(offset)) ?? line(offset, event, told)));
}

function newCard(): HTMLElement {
  const card = document.createElement('article');
  card.className = 'sheet match';
  card.innerHTML = '<p class="when"></p><p class="team"></p><b></b><p class="team"></p><b></b>';
  return card;
}

// Between two events the clock is ours: a minute each second, up to the end of the half.
function fill(card: HTMLElement, { home, away, goals, minute, state }: Match, age: number): void {
  const now = Math.min(minute + Math.floor(age / 1000), state === 'first half' ? 45 : 90);
  const score = goals.join('–');
  const [when, ...rest] = card.children;
  const scored = card.dataset.home === home && card.dataset.score !== score && state !== 'to come';
  when!.textContent = states[state] || `${now}′`;
  [home, String(goals[0]), away, String(goals[1])].forEach((text, i) => (rest[i]!.textContent = text));
  card.dataset.state = state;
  card.dataset.home = home;
  card.dataset.score = score;
  if (scored) card.animate([{ borderColor: 'currentColor', scale: '1.03' }, {}], 1500);
}

function line(offset: number, event: string, told: Happened): HTMLLIElement {
  const li = document.createElement('li');
  li.dataset.offset = String(offset);
  li.className = event;
  const minute = document.createElement('span');
  minute.textContent = `${told.minute}′`;
  li.append(minute, words(event, told));
  return li;
}

function words(event: string, { home, away, goals, minute, player, side }: Happened): string {
  const match = `${home} ${goals.join('–')} ${away}`;
  switch (event) {
    case 'goal':
      return `Goal! ${player} for ${side ? away : home}. ${match}`;
    case 'card':
      return `Yellow card for ${player}, ${side ? away : home}`;
    case 'begin':
      return minute > 1 ? `Second half. ${match}` : `Kick-off. ${home} – ${away}`;
    case 'break':
      return `Half-time. ${match}`;
    default:
      return `Full time. ${match}`;
  }
}
