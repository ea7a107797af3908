// The operator's console.

import { render } from 'preact';

render(<main class="page"><h1>Ringdown console</h1><p>Hello.</p></main>, document.getElementById('console')!);
