// Protects: a full disk fails with a clear error and never leaves a partial object in the local store.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const FILLER = fileURLToPath(new URL('./fixtures/fs-filler.ts', import.meta.url));
const unshare = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-Urm'];
const MOUNT = 'mount -t tmpfs -o size=1m tmpfs "$1"';

/** Whether this machine allows mounting a small disk that only the child sees. */
function mayMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), 'batchctl-mount-'));
  const { status } = spawnSync(unshare[0] ?? '', [...unshare.slice(1), 'sh', '-c', MOUNT, 'sh', at]);
  rmSync(at, { recursive: true });
  return status === 0;
}

interface Limit {
  readonly name: string;
  readonly command: readonly string[];
  readonly script: string;
  readonly size: number;
  readonly brim: boolean;
}
const fileLimit: Limit = {
  name: 'a limit on the size of files',
  command: [],
  script: 'ulimit -f 4096',
  size: 6_000_000,
  brim: false,
};
const smallDisk: Limit = { name: 'a disk of 1 MiB', command: unshare, script: MOUNT, size: 300_000, brim: true };

describe('the file store on a full disk', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-fs-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const possible = mayMount();
  // Where mounting isn't allowed, only the size limit is tested; the title says which was used.
  for (const limit of possible ? [smallDisk, fileLimit] : [fileLimit]) {
    it(`fails with kind full and leaves no partial object: ${limit.name}`, async () => {
      const script = `${limit.script} && exec "$2" --import tsx "$3" "$1" ${limit.size} ${limit.brim ? 'brim' : ''}`;
      const [program = 'sh', ...args] = [...limit.command, 'sh', '-c', script, 'sh', root, process.execPath, FILLER];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const answer: unknown = JSON.parse(await text(child.stdout));
      const put = limit.brim ? 3 : 0;
      const kinds = limit.brim ? ['full', 'full', 'full'] : ['full'];
      const expected = { put, kinds, failedIsAbsent: true, sourceKept: true, whole: put, left: [] };
      expect(answer).to.deep.equal(expected);
    });
  }
});
