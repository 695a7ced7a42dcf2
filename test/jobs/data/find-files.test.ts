// Protects: a submission never drops an input silently, and never processes one twice.
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { matchFiles } from '../../../src/jobs/data/find-files.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { withoutRights } from '../../support/without-rights.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('the search for the files that a pattern matches', () => {
  const scratch = forEachTest(() => new Scratch());
  const find = (pattern: string) => matchFiles(pattern, { directory: scratch.directory, dot: true });

  beforeEach(() => {
    chmodSync(scratch.directory, 0o755);
    for (const name of ['in', 'in/closed']) mkdirSync(scratch.path(name));
    for (const name of ['in/b.csv', 'in/closed/a.csv']) writeFileSync(scratch.path(name), 'v\n1\n');
  });
  afterEach(() => chmodSync(scratch.path('in/closed'), 0o755));

  it('fails for a directory that it may not read, if the pattern matches it', async () => {
    chmodSync(scratch.path('in/closed'), 0);
    await withoutRights(async () => {
      for (const pattern of ['in/**', 'in/*/*.csv']) {
        const { message } = await failsWith('notFound', find(pattern));
        expect(message).to.equal('the directory in/closed is not readable, so its content would be left out');
      }
      expect(await find('in/*.csv')).to.deep.equal([scratch.path('in/b.csv')]);
    });
  });

  it('fails for a broken link that the pattern matches', async () => {
    symlinkSync('/not/mounted/c.csv', scratch.path('in/c.csv'));
    const { message } = await failsWith('notFound', find('in/*.csv'));
    expect(message).to.equal('the input in/c.csv is a broken link, so its data would be left out');
    expect(await find('in/b*')).to.deep.equal([scratch.path('in/b.csv')]);
    expect(await find('in/closed/**')).to.deep.equal([scratch.path('in/closed/a.csv')]);
  });

  it('follows links to files and directories', async () => {
    mkdirSync(scratch.path('far'));
    writeFileSync(scratch.path('far/d.csv'), 'v\n1\n');
    symlinkSync('../far', scratch.path('in/linked'));
    symlinkSync('../far/d.csv', scratch.path('in/d.csv'));
    const names = ['in/b.csv', 'in/closed/a.csv', 'in/d.csv', 'in/linked/d.csv'];
    expect(await find('in/**')).to.deep.equal(names.map((name) => scratch.path(name)));
  });

  it('fails for a file or directory whose name is not UTF-8', async () => {
    writeFileSync(Buffer.from(scratch.path('in/caf\xe9.csv'), 'latin1'), 'x');
    const { message } = await failsWith('notFound', find('in/*.csv'));
    expect(message).to.contain('in/caf').and.to.contain('is not valid UTF-8');

    mkdirSync(Buffer.from(scratch.path('in/d\xe9'), 'latin1'));
    const error = await failsWith('notFound', find('in/*/*.csv'));
    expect(error.message).to.contain('"in/d').and.to.contain('is not valid UTF-8');
  });
});

describe('the inputs of a submission', () => {
  const place = forEachTest(openPlace);

  const files = { 'a.csv': 'v\n1\n', 'b.csv': 'v\n2\n' };
  const submit = (from: string, more: Readonly<Record<string, string>> = {}) =>
    submitJob(
      place,
      `name: once\ninput: { from: ${from}, split: { by: csv, size: 1MB, header: true } }\nsteps: [{ name: s, run: [cat] }]\n`,
      { ...files, ...more },
    );

  it('are refused if one is given twice, matched by a pattern as well, or has two names', async () => {
    for (const [from, message] of [
      ['[a.csv, a.csv]', 'the input a.csv is given twice, so its data would be processed twice'],
      ['["*.csv", b.csv]', 'the input b.csv is given twice, so its data would be processed twice'],
      ['[a.csv, ./a.csv]', 'the input ./a.csv is the same as a.csv, so its data would be processed twice'],
    ] as const) {
      expect((await failsWith('refused', submit(from))).message).to.equal(message);
    }
  });

  it('are refused if one is a link to another', async () => {
    symlinkSync('b.csv', join(place.directory, 'latest.csv'));
    const { message } = await failsWith('refused', submit('"*.csv"'));
    expect(message).to.equal('the input latest.csv is the same as b.csv, so its data would be processed twice');
  });

  it('are refused if two are hard links to one file', async () => {
    for (const name of ['a.csv', 'b.csv']) writeFileSync(join(place.directory, name), 'v\n1\n');
    linkSync(join(place.directory, 'b.csv'), join(place.directory, 'c.csv'));
    const { message, hint } = await failsWith('refused', submit('"*.csv"'));
    expect(message).to.equal('the input c.csv is the same as b.csv, so its data would be processed twice');
    expect(hint).to.contain('To process its data twice, copy it');
  });

  it('may be two files with the same content', async () => {
    const { record } = await submit('"*.csv"', { 'b.csv': files['a.csv'] });
    expect(record.inputs.map(({ name }) => name)).to.deep.equal(['a.csv', 'b.csv']);
  });

  it('may not have a name that is also a pattern for others, unless it is escaped', async () => {
    const { message } = await failsWith('refused', submit('"*.csv"', { '*.csv': 'v\n3\n' }));
    expect(message).to.equal('the input *.csv is the name of a file, but also a pattern that matches a.csv');
    const { record } = await submit("'\\*.csv'");
    expect(record.inputs.map(({ name }) => name)).to.deep.equal(['*.csv']);
  });

  it('are refused if one is a pipe or a link to itself, whatever the split', async () => {
    execFileSync('mkfifo', [join(place.directory, 'pipe')]);
    symlinkSync('loop', join(place.directory, 'loop'));
    const yaml = (from: string) =>
      `name: odd\ninput: { from: "${from}", split: { by: file } }\nsteps: [{ name: s, run: [cat] }]\n`;
    for (const [from, kind, message] of [
      ['pipe', 'usage', 'the input pipe is not a regular file'],
      ['loop', 'notFound', 'is a broken link, so its data would be left out'],
    ] as const) {
      const error = await failsWith(kind, submitJob(place, yaml(from), {}));
      expect(error.message).to.contain(message);
    }
    // A pattern that is longer than any file name may be is not looked up as a file.
    const { record } = await submitJob(place, yaml(`{a,${'b'.repeat(300)}}.csv`), files);
    expect(record.inputs.map(({ name }) => name)).to.deep.equal(['a.csv']);
  });
});
