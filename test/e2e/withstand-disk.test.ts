import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { mountDisk } from '../support/small-disk.ts';
import { Workspace } from '../support/workspace.ts';

/** Fills a disk up to so many bytes below the brim. */
function fill(path: string, size: number): void {
  writeFileSync(path, Buffer.alloc(size));
}

describe('a disk that is full', function () {
  this.timeout(60_000);
  let outer: Workspace;
  let workspace: Workspace;
  let unmount: (() => void) | null;

  beforeEach(() => {
    unmount = null;
    outer = new Workspace();
    const at = outer.path('disk');
    mkdirSync(at);
    // The store's own suite fills a disk by other means too.
    unmount = mountDisk(at, '32m');
    workspace = new Workspace(at);
  });
  afterEach(async () => {
    if (unmount !== null) {
      await workspace.close();
      unmount();
    }
    await outer.remove();
  });

  const job = (command: string): object => ({
    name: 'disk',
    input: { split: { by: 'range', from: 1, to: 3 } },
    steps: [{ name: 'only', run: command }],
  });

  const expectTaskLeft = async (id: string): Promise<void> => {
    const facts = await factsOf(await workspace.platform(), id);
    expect(facts).to.deep.include({ state: 'running', dead: [] });
    expect(facts.queued).to.be.at.least(1);
  };

  for (const { what, command, filler } of [
    { what: 'outputs do not fit', command: 'head -c 9000000 /dev/zero', filler: 12_000_000 },
    {
      what: 'outputs do not fit, and the command does not mind',
      command: 'head -c 9000000 /dev/zero || true',
      filler: 12_000_000,
    },
    { what: 'nothing fits', command: 'echo fine', filler: 31 * 2 ** 20 },
  ]) {
    it(`makes a worker give up with exit 8 when ${what}; once there is room, the job is done`, async () => {
      workspace.write('job.json', job(command));
      const id = await workspace.submit();
      fill(workspace.path('filler'), filler);
      if (filler > 30_000_000) spawnSync('sh', ['-c', `cat /dev/zero > ${workspace.path('rest')}`]);
      const first = await workspace.work({}, '--slots', '1');
      expect(first.code, first.stderr).to.equal(8);
      for (const name of ['filler', 'rest']) rmSync(workspace.path(name), { force: true });
      await expectTaskLeft(id);
      const second = await workspace.work({}, '--slots', '1');
      expect(second.code, second.stderr).to.equal(0);
      const facts = await factsOf(await workspace.platform(), id);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 3 } });
      if (filler < 30_000_000) {
        expect(facts.outputs.only).to.deep.equal({ 0: '[9000000 bytes]', 1: '[9000000 bytes]', 2: '[9000000 bytes]' });
      }
      expect(existsSync(workspace.path('filler'))).to.equal(false);
    });
  }
});
