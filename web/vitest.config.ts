// The unit tests of what is logic in the console: all time and all networks in them are simulated.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['console/test/**/*.test.ts'], testTimeout: 60_000, pool: 'threads' },
});
