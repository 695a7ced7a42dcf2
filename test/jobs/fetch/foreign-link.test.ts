// Protects: outputs do not replace a file of the user that another user's link leads to.
import { lchownSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseTarget } from '../../../src/jobs/fetch/target.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

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
