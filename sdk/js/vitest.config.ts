// The unit tests: all time and all networks in them are simulated, so a slow machine changes nothing but how long they take.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, pool: 'threads' },
});
