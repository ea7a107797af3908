// "Show the code": every page shows its own files, as they are, to be copied.

/** Puts the files of a page, by name, at its end, or into the element given. */
export function showCode(files: Record<string, string>, into: Element = document.querySelector('main')!): void {
  const box = document.createElement('details');
  box.className = 'code';
  const summary = document.createElement('summary');
  summary.textContent = 'Show the code';

  const code = document.createElement('code');
  const pre = document.createElement('pre');
  pre.tabIndex = 0;
  pre.append(code);

  const bar = document.createElement('div');
  bar.className = 'files';
  const buttons = Object.entries(files).map(([name, source]) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    const choose = () => {
      for (const other of buttons) other.ariaPressed = String(other === button);
      code.textContent = source;
      pre.ariaLabel = `The code in ${name}`;
    };
    button.addEventListener('click', choose);
    return button;
  });
  bar.append(...buttons);
  box.append(summary, bar, pre);
  into.append(box);
  buttons[0]?.click();
}
