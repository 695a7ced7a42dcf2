// Protects: a full disk fails with a clear error and never leaves a partial object in the local store.

import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';
import { fixtureProgram } from '../child-programs.ts';

const FILLER = fixtureProgram(import.meta.dirname, 'fs-filler');
const unshare = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-Urm'];
const MOUNT = 'mount -t tmpfs -o size=1m,mode=700 tmpfs "$1"';

/** Whether this machine allows mounting a small disk that only the child sees. */
function canMount(): boolean {
  const scratch = new Scratch();
  const { status } = spawnSync(unshare[0] ?? '', [...unshare.slice(1), 'sh', '-c', MOUNT, 'sh', scratch.directory]);
  scratch.remove();
  return status === 0;
}

const FILE_LIMIT = {
  name: 'a limit on the size of files',
  command: [],
  script: 'ulimit -f 4096',
  size: 6_000_000,
  fillsUp: false,
};
const SMALL_DISK = { name: 'a disk of 1 MiB', command: unshare, script: MOUNT, size: 300_000, fillsUp: true };

describe('the file store on a full disk', () => {
  const scratch = forEachTest(() => new Scratch());

  // Where mounting isn't allowed, only the limit on the size of files is tested.
  for (const limit of canMount() ? [SMALL_DISK, FILE_LIMIT] : [FILE_LIMIT]) {
    it(`fails with kind full and leaves no partial object: ${limit.name}`, async () => {
      const script = `${limit.script} && exec "$2" "$3" "$1" ${limit.size} ${limit.fillsUp ? 'fill' : ''}`;
      const shell = ['sh', '-c', script, 'sh', scratch.directory, process.execPath, FILLER];
      const [program = 'sh', ...args] = [...limit.command, ...shell];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const answer: unknown = JSON.parse(await text(child.stdout));
      const put = limit.fillsUp ? 3 : 0;
      const kinds = limit.fillsUp ? ['full', 'full', 'full'] : ['full'];
      const expected = { put, kinds, failedIsAbsent: true, sourceKept: true, complete: put, temporary: [] };
      expect(answer).to.deep.equal(expected);
    });
  }
});
