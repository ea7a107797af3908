// The door: the token is asked for, when it did not come with the address or is not taken.

import { useState } from 'preact/hooks';

export function Login({ why, onToken }: { why: string; onToken: (token: string) => void }) {
  const [token, set] = useState('');
  return (
    <main class="login" id="main">
      <form class="sheet" onSubmit={(event) => { event.preventDefault(); onToken(token.trim()); }}>
        <h1>The console</h1>
        {why && <p class="trouble" role="alert">{why}</p>}
        <label class="field">
          <span>Token</span>
          <input type="password" name="token" required autofocus autocomplete="off" value={token} onInput={(event) => set(event.currentTarget.value)} />
        </label>
        <button type="submit">Open</button>
        <p class="faint">In dev mode the node writes the console’s address, with the token in it, when it starts. Otherwise it is what <code>console.token</code> or <code>console.token_file</code> says.
          It is kept until this tab is closed.</p>
      </form>
    </main>
  );
}
