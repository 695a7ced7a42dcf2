// Protects: the commands and files of docs/aws.md work as shown.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { onEmulators, tryBlocks } from './reader-shell.ts';

const PAGE = join(import.meta.dirname, '../../docs/aws.md');

describe('docs/aws.md', () => {
  const cloud = forSuite(startCloud);

  it('shows real results of its files and commands, on an emulated account', async () => {
    await tryBlocks(readFileSync(PAGE, 'utf8'), onEmulators(cloud.url));
  });
});
