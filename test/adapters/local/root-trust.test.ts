// Protects: a root that another user wrote, or that came with a clone, an archive or a copy, is not opened.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { trustRoot } from '../../../src/adapters/local/fs-root.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import {
  birthMark,
  foreignReason,
  isTrackedByGit,
  readFormatFile,
  requireOwnRoot,
} from '../../../src/adapters/local/root-trust.ts';
import { isBatchctlError } from '../../../src/errors.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

describe('a root', () => {
  const scratch = forEachTest(() => new Scratch());
  let root: string;
  beforeEach(async () => {
    root = scratch.path('project', '.batchctl');
    await (await open()).put('jobs/j/job.json', '{}');
  });

  const open = (at = root) => createFsStore({ root: at, durability: 'process' });
  /** As older versions wrote it. */
  const unmark = (): void => writeFileSync(join(root, 'format'), '{"format":1}\n');
  const git = (...args: readonly string[]): void => {
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
    execFileSync('git', ['-C', scratch.path('project'), ...who, ...args], { stdio: 'pipe' });
  };

  it('of this user opens again, also after a move and a change of its mode', async () => {
    chmodSync(root, 0o711);
    renameSync(scratch.path('project'), scratch.path('moved'));
    expect(await (await open(scratch.path('moved', '.batchctl'))).head('jobs/j/job.json')).not.to.equal(null);
  });

  for (const [what, name, mode] of [
    ['everyone', '.', 0o777],
    ['everyone, below it,', 'store', 0o707],
  ] as const)
    it(`that ${what} may write is refused, with the command that closes it`, async () => {
      chmodSync(join(root, name), mode);
      const error = await failsWith('config', open());
      expect(error.message).to.include('can be written by everyone');
      execFileSync('sh', ['-c', error.hint?.replace(/^.*: /, '') ?? 'false']);
      await open();
    });

  it('is bound to the number of its format file and to the instant of its creation', () => {
    const format = readFormatFile(root) ?? expect.fail();
    const { ino, birthtimeMs } = format.stats;
    const reasonOf = (made: object): string | null =>
      foreignReason(root, {
        ...format,
        text: JSON.stringify({ format: 1, made: birthMark({ ino, birthtimeMs, ...made }) }),
      });
    expect(reasonOf({})).to.equal(null);
    expect(reasonOf({ ino: ino + 1n })).to.include('copied');
    expect(reasonOf({ birthtimeMs: birthtimeMs + 1n })).to.include('copied');
  });

  it('that a foreign group may write is refused', function () {
    if (process.getuid?.() !== 0) return this.skip();
    chmodSync(root, 0o770);
    requireOwnRoot(root);
    chownSync(root, 0, 50);
    expect(() => requireOwnRoot(root)).to.throw(/can be written by a group/);
  });

  for (const name of ['.', 'store'])
    it(`of another user is refused, by the owner of ${name}`, async function () {
      if (process.getuid?.() !== 0) return this.skip();
      chownSync(join(root, name), 12_345, 12_345);
      expect((await failsWith('config', open())).message).to.include('belongs to another user');
      expect(() => requireOwnRoot(root, { uid: 0, gid: 0, caller: 12_345 })).not.to.throw();
    });

  it('is refused where every user may replace it, and a sticky directory is enough', async () => {
    chmodSync(scratch.path('project'), 0o777);
    const { message, hint } = await failsWith('config', open());
    expect(message).to.include(`${scratch.path('project')} is writable by everyone`);
    expect(hint).to.include(`chmod +t ${scratch.path('project')}`);
    chmodSync(scratch.path('project'), 0o1777);
    await open();
  });

  it('is refused behind a link if every user may replace what the link names', async () => {
    symlinkSync(root, scratch.path('link'));
    await open(scratch.path('link'));
    chmodSync(scratch.path('project'), 0o777);
    await failsWith('config', open(scratch.path('link')));
  });

  it('is not made where every user may replace it', async () => {
    mkdirSync(scratch.path('open'));
    chmodSync(scratch.path('open'), 0o777);
    await failsWith('config', open(scratch.path('open', 'deep', '.batchctl')));
    expect(() => readFileSync(scratch.path('open', 'deep'))).to.throw(/ENOENT/);
  });

  it('that came with a clone is refused until it is confirmed, once', async () => {
    git('init', '-q');
    git('add', '-f', '.');
    git('commit', '-qm', 'x');
    // Its maker isn't asked.
    await open();
    for (const mark of ['', 'made'] as const) {
      if (mark === '') {
        unmark();
        git('commit', '-qam', 'unmarked');
      } else {
        writeFileSync(join(root, 'format'), '{"format":1,"made":"7.1"}\n');
        git('commit', '-qam', 'marked');
      }
      execFileSync('git', ['clone', '-q', scratch.path('project'), scratch.path('clone')]);
      const cloned = scratch.path('clone', '.batchctl');
      const { hint } = await failsWith('refused', open(cloned));
      expect(hint).to.include('batchctl config trust');
      const options = { dryRun: true };
      expect(trustRoot(cloned, options)).to.match(mark === '' ? /git tracks it/ : /copied, cloned or unpacked/);
      await failsWith('refused', open(cloned));
      expect(trustRoot(cloned, { dryRun: false })).not.to.equal(null);
      expect(trustRoot(cloned, options)).to.equal(null);
      expect((await (await open(cloned)).head('jobs/j/job.json'))?.size).to.equal(2);
      rmSync(scratch.path('clone'), { recursive: true });
    }
  });

  it('that git tracks is found in indexes of every version, in work trees, and below the top', () => {
    unmark();
    git('init', '-q');
    expect(isTrackedByGit(root)).to.equal(false);
    writeFileSync(scratch.path('project', 'a'), '');
    git('add', 'a');
    expect(isTrackedByGit(root)).to.equal(false);
    git('add', '-f', '.batchctl');
    git('commit', '-qm', 'x');
    for (const version of ['2', '3', '4']) {
      git('update-index', '--index-version', version);
      expect(isTrackedByGit(root), version).to.equal(true);
    }
    git('update-index', '--split-index');
    expect(isTrackedByGit(root), 'split').to.equal(true);
    git('update-index', '--no-split-index');
    git('worktree', 'add', '-q', scratch.path('tree'));
    expect(isTrackedByGit(scratch.path('tree', '.batchctl'))).to.equal(true);
    git('rm', '-rq', '--cached', '.batchctl');
    expect(isTrackedByGit(root)).to.equal(false);
  });

  for (const hash of ['sha1', 'sha256'])
    it(`that git tracks is found by its whole path, whatever is tracked beside it: version 4, ${hash}`, () => {
      unmark();
      git('init', '-q', `--object-format=${hash}`);
      git('config', 'index.version', '4');
      mkdirSync(scratch.path('project', 'other'));
      for (const name of ['a', 'other/format', 'format']) writeFileSync(scratch.path('project', name), '');
      git('add', 'a', 'other', 'format');
      expect(isTrackedByGit(root), 'only other files of this name').to.equal(false);
      // Version 4 leaves out what a path shares with the one before.
      writeFileSync(join(root, 'forlorn'), '');
      git('add', '-f', '.batchctl/forlorn');
      expect(isTrackedByGit(root), 'only its neighbour').to.equal(false);
      git('add', '-f', '-N', '.batchctl/format');
      expect(isTrackedByGit(root), 'with an extended entry').to.equal(true);
      git('add', '-f', '.batchctl');
      expect(isTrackedByGit(root)).to.equal(true);
    });

  for (const version of ['2', '3', '4'])
    it(`is not mistaken for another path, of any length, long or only announced: version ${version}`, () => {
      unmark();
      git('init', '-q');
      git('config', 'index.version', version);
      const names = [...Array.from({ length: 9 }, (_, n) => `!${'a'.repeat(n)}`), `"${'b'.repeat(200)}`, '#c'];
      for (const name of [...names, '$new']) writeFileSync(scratch.path('project', name), '');
      git('add', ...names);
      git('add', '-N', '$new');
      expect(isTrackedByGit(root)).to.equal(false);
      git('add', '-f', '.batchctl');
      expect(isTrackedByGit(root)).to.equal(true);
    });

  it('counts as tracked in an index that can not be read', () => {
    unmark();
    git('init', '-q');
    for (const index of [Buffer.from('DIRC\0\0\0\x04\0\0\0\x01', 'latin1'), Buffer.from('DIRC\0\0\0\x05', 'latin1')]) {
      writeFileSync(scratch.path('project', '.git', 'index'), index);
      expect(isTrackedByGit(root)).to.equal(true);
    }
  });

  it('of an older version opens without a question, also in a repository that ignores it', async () => {
    unmark();
    // As when the program wrote it: created and written at once.
    rmSync(join(root, 'format'));
    writeFileSync(join(root, 'format'), '{"format":1}\n');
    git('init', '-q');
    writeFileSync(scratch.path('project', '.gitignore'), '.batchctl/\n');
    git('add', '.');
    git('commit', '-qm', 'x');
    chmodSync(join(root, 'format'), 0o600);
    await open();
    expect(readFileSync(join(root, 'format'), 'utf8')).to.equal('{"format":1}\n');
  });

  it('that was copied or unpacked is refused', async () => {
    cpSync(root, scratch.path('copy'), { recursive: true });
    await failsWith('refused', open(scratch.path('copy')));
    unmark();
    utimesSync(join(root, 'format'), 1e9, 1e9);
    expect((await failsWith('refused', open())).message).to.include('unpacked or copied');
    rmSync(join(root, 'format'));
    expect((await failsWith('refused', open())).message).to.include('no format file');
    expect(trustRoot(root, { dryRun: false })).to.include('no format file');
    await open();
  });

  it('that is refused is left as it was', async () => {
    const foreign = scratch.path('foreign');
    mkdirSync(join(foreign, 'store'), { recursive: true });
    writeFileSync(join(foreign, 'store', 'x@'), '');
    await failsWith('refused', open(foreign));
    expect(execFileSync('find', [foreign, '-mindepth', '1'], { encoding: 'utf8' })).to.equal(
      `${join(foreign, 'store')}\n${join(foreign, 'store', 'x@')}\n`,
    );
    expect(isBatchctlError(await failsWith('refused', open(foreign)))).to.equal(true);
  });
});
