// The editor: a document of Yjs, its provider, and a textarea that shows it.

import { Client } from '@ringdown/client';
import * as Y from 'yjs';
import { showCode } from '../../look/code.ts';
import { named } from '../../look/hash.ts';
import { lamp } from '../../look/lamp.ts';
import { Cursors } from './cursors.ts';
import { Provider } from './provider.ts';
import { bind } from './textarea.ts';
import cursorsSource from './cursors.ts?raw';
import mainSource from './main.ts?raw';
import providerSource from './provider.ts?raw';
import textareaSource from './textarea.ts?raw';

const $ = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const name = $<HTMLInputElement>('name');
const area = $<HTMLTextAreaElement>('area');
name.value = sessionStorage.getItem('name') ?? `Guest ${Math.floor(Math.random() * 900) + 100}`;
name.addEventListener('change', () => sessionStorage.setItem('name', name.value));

const title = named('notes'); // another text: /editor/#another
addEventListener('hashchange', () => location.reload());

const client = new Client('/');
const doc = new Y.Doc();
const text = doc.getText('text');
const provider = new Provider(doc, client.channel(`editor:${title}`));
bind(area, text, (on) => provider.hold(on));
new Cursors(area, $('mirror'), text, client.channel(`editor:${title}:cursors`, { presence: true }), () => ({ name: name.value, session: client.session }));

lamp(client);
$('title').textContent = title;
text.observe(() => ($('count').textContent = `${text.length} characters`));
showCode({ 'main.ts': mainSource, 'provider.ts': providerSource, 'textarea.ts': textareaSource, 'cursors.ts': cursorsSource });
