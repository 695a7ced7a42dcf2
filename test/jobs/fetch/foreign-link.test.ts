// Protects: outputs go nowhere that another user's link or pipe leads to, at the end of their path or above.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect } from 'chai';
import { parseTarget } from '../../../src/jobs/fetch/target.ts';
import { forEachTest } from '../../support/fixture.ts';
import { parseJsonLines } from '../../support/json-lines.ts';
import { rangeJob } from '../../support/range-job.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { Workspace } from '../../support/workspace.ts';

describe('a target that is a link', () => {
  const scratch = forEachTest(() => new Scratch());
  const parse = async (text: string) => parseTarget(text, { cwd: scratch.directory, write: async () => {} });
  beforeEach(() => {
    writeFileSync(scratch.path('mine'), 'mine');
    mkdirSync(scratch.path('home'));
    symlinkSync('mine', scratch.path('file'));
    symlinkSync('home', scratch.path('directory'));
    symlinkSync('missing', scratch.path('dangling'));
  });

  it('of this user is followed', async () => {
    expect(await parse('file')).to.include({ kind: 'file', path: scratch.path('mine') });
    expect(await parse('directory/')).to.include({ kind: 'directory' });
  });

  it('of another user is refused, to a file, a directory or nothing', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    for (const name of ['file', 'directory', 'dangling']) lchownSync(scratch.path(name), 12_345, 12_345);
    for (const text of ['file', 'directory', 'directory/', 'directory//', 'dangling']) {
      const error = await rejection(parse(text));
      expect(error, text).to.include({ kind: 'refused' });
      expect(error.message).to.include('a link that belongs to another user (id 12345)');
    }
    expect(readFileSync(scratch.path('mine'), 'utf8')).to.equal('mine');
    expect(readdirSync(scratch.path('home'))).to.deep.equal([]);
  });
});

describe('a target that is a pipe', () => {
  const scratch = forEachTest(() => new Scratch());
  const parse = async (text: string) => parseTarget(text, { cwd: scratch.directory, write: async () => {} });

  it('of this user is written, and one of another user is refused, also behind a link', async function () {
    execFileSync('mkfifo', [scratch.path('pipe')]);
    symlinkSync('pipe', scratch.path('link'));
    for (const text of ['pipe', 'link']) expect(await parse(text)).to.include({ kind: 'file' });
    if (process.getuid?.() !== 0) return this.skip();
    chownSync(scratch.path('pipe'), 12_345, 12_345);
    for (const text of ['pipe', 'link']) {
      const error = await rejection(parse(text));
      expect(error, text).to.include({ kind: 'refused' });
      expect(error.message).to.include('a pipe that belongs to another user (id 12345)');
    }
  });
});

describe('a target below a link', () => {
  const OTHER = 12_345;
  const scratch = forEachTest(() => new Scratch());
  const parse = async (text: string) => parseTarget(text, { cwd: scratch.directory, write: async () => {} });
  /** A link to `home/`, made by `owner`, in a directory that all may write and in which each may remove only their own. */
  const shared = (link: string, owner: number, owned = 0, to = scratch.path('home')): void => {
    const directory = scratch.path(`${link}/..`);
    mkdirSync(directory, { recursive: true });
    chownSync(directory, owned, owned);
    chmodSync(directory, 0o1777);
    symlinkSync(to, scratch.path(link));
    lchownSync(scratch.path(link), owner, owner);
  };
  beforeEach(function () {
    if (process.getuid?.() !== 0) this.skip();
    mkdirSync(scratch.path('home'));
  });

  it('of another user in a shared directory is refused, for a file and a directory, there or not, and by links to it', async () => {
    shared('tmp/out', OTHER);
    mkdirSync(scratch.path('home/there'));
    symlinkSync('tmp/out', scratch.path('mine'));
    symlinkSync('tmp/../tmp/out/there', scratch.path('deep'));
    for (const text of [
      'tmp/out/x.csv',
      'tmp/out/',
      'tmp/out/new/',
      'tmp/out/there/',
      'tmp/out/a/b/c.csv',
      'mine/x.csv',
      'deep/x',
    ]) {
      const error = await failsWith('refused', parse(text));
      expect(error.message, text).to.match(/^-o \S+: \S+tmp\/out is a link that belongs to another user \(id 12345\)$/);
    }
  });

  it('of this user, or of the owner of its directory, is followed', async () => {
    shared('tmp/out', 0, OTHER);
    shared('theirs/out', OTHER, OTHER);
    for (const text of ['tmp/out/x.csv', 'theirs/out/x.csv']) {
      expect(await parse(text)).to.include({ kind: 'file' });
    }
    expect(await parse('theirs/out/new/')).to.include({ kind: 'directory' });
    await failsWith('refused', parse('theirs/out'));
    await failsWith('refused', parse('theirs/out/'));
    symlinkSync('theirs/out/', scratch.path('slash'));
    await failsWith('refused', parse('slash'));
  });

  it('of another user is refused where it is met on the way of a link that is followed', async () => {
    shared('tmp/second', OTHER);
    shared('tmp2/first', 0, 0, scratch.path('tmp/second'));
    await failsWith('refused', parse('tmp2/first/x.csv'));
  });

  it('that leads to itself is reported as one that cannot be written', async () => {
    symlinkSync('loop', scratch.path('loop'));
    await failsWith('usage', parse('loop/x.csv'));
  });

  it('is refused for a delivery, before the job is submitted and when it has appeared since', async () => {
    const workspace = new Workspace();
    try {
      const deliver = { to: scratch.path('tmp/out/in') };
      workspace.write('job.json', { ...rangeJob('count', 2, { name: 'one', run: 'cat' }), deliver });
      const id = await workspace.submit();
      shared('tmp/out', OTHER);
      await workspace.work();
      for (const words of [
        ['wait', id],
        ['run', 'job.json'],
      ]) {
        const { code, stderr } = await workspace.run(words);
        expect(code, stderr).to.equal(7);
        expect(stderr).to.include('tmp/out is a link that belongs to another user (id 12345)');
      }
      expect(parseJsonLines((await workspace.runSuccessfully('jobs', '--json')).stdout)).to.have.length(1);
      expect(readdirSync(scratch.path('home'))).to.deep.equal([]);
    } finally {
      await workspace.remove();
    }
  });
});
