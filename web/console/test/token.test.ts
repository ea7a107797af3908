import { expect, it } from 'vitest';
import { takeToken } from '../token.ts';

/** Opens an address; what it becomes, and the token that was kept. */
function open(hash: string) {
  let address = '';
  let token: string | undefined;
  const taken = takeToken(
    { hash, pathname: '/console/', search: '' },
    { replaceState: (_: unknown, __: string, url?: string | URL | null) => void (address = String(url)) },
    { setItem: (_: string, value: string) => void (token = value) },
  );
  return { taken, address, token };
}

it('is taken out of the address', () => expect(open('#token=abc-123')).toEqual({ taken: true, address: '/console/#/', token: 'abc-123' }));
it('leaves the view that follows', () => expect(open('#token=abc&/sessions')).toEqual({ taken: true, address: '/console/#/sessions', token: 'abc' }));
it('may be escaped, or have a lone percent sign', () => {
  expect(open('#token=a%2Fb').token).toBe('a/b');
  expect(open('#token=100%').token).toBe('100%');
});
it('is not looked for in views', () => expect(open('#/sessions?find=token=x')).toEqual({ taken: false, address: '', token: undefined }));
