// The ticker: a row for each symbol, which flashes when its price changes. However fast prices come, it is drawn once a frame.

export interface Price {
  price: number;
  change: number; // in percent, since the opening
  volume: number;
}

const remembered = 40; // prices of a symbol
const [width, height] = [80, 20]; // of a trend

interface Row {
  element: HTMLTableRowElement;
  prices: number[];
  newest: Price;
  drawn: number; // the price that is shown
}

export class Ticker {
  #body: HTMLElement;
  #rows = new Map<string, Row>();
  #changed = new Set<Row>();

  constructor(body: HTMLElement) {
    this.#body = body;
  }

  take(symbol: string, newest: Price): void {
    const row = this.#rows.get(symbol) ?? this.#add(symbol, newest);
    row.newest = newest;
    row.prices = [...row.prices, newest.price].slice(-remembered);
    if (this.#changed.size === 0) requestAnimationFrame(() => this.#draw());
    this.#changed.add(row);
  }

  #add(symbol: string, newest: Price): Row {
    const element = document.createElement('tr');
    element.dataset.symbol = symbol;
    element.innerHTML = `<th scope="row"></th><td class="number price"></td><td class="number change"></td>
      <td class="trend"><svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true"><polyline/></svg></td><td class="number volume"></td>`;
    element.cells[0]!.textContent = symbol;
    const row = { element, prices: [], newest, drawn: newest.price };
    this.#rows.set(symbol, row);
    const after = [...this.#rows.keys()].sort();
    this.#body.insertBefore(element, this.#rows.get(after[after.indexOf(symbol) + 1]!)?.element ?? null);
    return row;
  }

  #draw(): void {
    for (const row of this.#changed) {
      const { element, newest, prices, drawn } = row;
      const [, price, change, trend, volume] = element.cells;
      price!.textContent = newest.price.toFixed(2);
      change!.textContent = `${newest.change < 0 ? '−' : '+'}${Math.abs(newest.change).toFixed(2)} %`;
      volume!.textContent = newest.volume.toLocaleString('en');
      element.classList.toggle('fallen', newest.change < 0);
      trend!.querySelector('polyline')!.setAttribute('points', line(prices));
      // Two animations that look the same, in turn, so that each change begins one.
      const turn = price!.classList.contains('again') ? '' : ' again';
      if (newest.price !== drawn) price!.className = `number price ${newest.price > drawn ? 'up' : 'down'}${turn}`;
      row.drawn = newest.price;
    }
    this.#changed.clear();
  }
}

function line(prices: number[]): string {
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low || 1;
  const step = width / Math.max(1, prices.length - 1);
  return prices.map((price, i) => `${(i * step).toFixed(1)},${(height - 2 - ((price - low) / span) * (height - 4)).toFixed(1)}`).join(' ');
}
