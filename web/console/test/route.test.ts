import { expect, it } from 'vitest';
import { link, parse } from '../route.ts';

it.each([
  ['', { view: '', id: '', query: {} }],
  ['#/', { view: '', id: '', query: {} }],
  ['#/sessions', { view: 'sessions', id: '', query: {} }],
  ['#/sessions?find=ann&after=x', { view: 'sessions', id: '', query: { find: 'ann', after: 'x' } }],
  ['#/channels/chat%3Alobby', { view: 'channels', id: 'chat:lobby', query: {} }],
  ['#/channels/a/b', { view: 'channels', id: 'a/b', query: {} }],
  ['#/channels/100%', { view: 'channels', id: '100%', query: {} }],
])('%s leads somewhere', (hash, route) => expect(parse(hash)).toEqual(route));

it.each(['chat:lobby', 'a/b', 'what?', '100%', '線', '#', ' '])('the channel %j can be linked to', (name) =>
  expect(parse(link('channels', name, { find: name }))).toEqual({ view: 'channels', id: name, query: { find: name } }));

it('leaves out of a link what is not given', () => expect(link('sessions', '', { find: '', after: undefined })).toBe('#/sessions'));
