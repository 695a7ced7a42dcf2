// Protects: a directory with a marker never holds a mixture of two deliveries, whichever process stops where.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { deliveryRaces } from '../../support/delivery-races.ts';

deliveryRaces('deliveries to one directory at once', false, async ({ directory }) => {
  const to = join(directory, 'results');
  await mkdir(to);
  return {
    to,
    host: hostname(),
    platform: (platform) => platform,
    files: async () => {
      if (!existsSync(to)) return new Map();
      const names = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      return new Map(
        names.map(({ parentPath, name }) => [
          join(parentPath, name).slice(to.length + 1),
          readFileSync(join(parentPath, name), 'utf8'),
        ]),
      );
    },
    write: async (name, text) => writeFileSync(join(to, name), text),
  };
});
