// The operator's console. The token is out of the address before anything else happens.

import { render } from 'preact';
import { App } from './app.tsx';
import { takeToken } from './token.ts';
import './console.css';

takeToken(location, history, sessionStorage);
addEventListener('hashchange', () => takeToken(location, history, sessionStorage));

render(<App />, document.getElementById('console')!);
