// Protects: a submission never drops an input silently, and never processes one twice.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { matchFiles } from '../../../src/jobs/data/find-files.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { withoutRights } from '../../support/without-rights.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('an input that a pattern matches is never left out silently', () => {
  let directory: string;
  const find = (pattern: string, dot = true) => matchFiles(pattern, { directory, dot });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-left-'));
    chmodSync(directory, 0o755);
    for (const name of ['in', 'in/closed']) mkdirSync(join(directory, name));
    for (const name of ['in/b.csv', 'in/closed/a.csv']) writeFileSync(join(directory, name), 'v\n1\n');
  });
  afterEach(() => {
    chmodSync(join(directory, 'in/closed'), 0o755);
    rmSync(directory, { recursive: true });
  });

  it('names a directory that may not be read', async () => {
    chmodSync(join(directory, 'in/closed'), 0);
    await withoutRights(async () => {
      for (const pattern of ['in/**', 'in/*/*.csv']) {
        const error = await rejection(find(pattern));
        expect(error).to.include({ kind: 'notFound' });
        expect(error.message).to.equal('the directory in/closed is not readable, so its content would be left out');
      }
      expect(await find('in/*.csv'), "one that the pattern doesn't match").to.deep.equal([join(directory, 'in/b.csv')]);
    });
  });

  it('names a broken link that the pattern matches', async () => {
    symlinkSync('/not/mounted/c.csv', join(directory, 'in/c.csv'));
    const error = await rejection(find('in/*.csv'));
    expect(error).to.include({ kind: 'notFound' });
    expect(error.message).to.equal('the input in/c.csv is a broken link, so its data would be left out');
    expect(await find('in/b*')).to.deep.equal([join(directory, 'in/b.csv')]);
    expect(await find('in/closed/**')).to.deep.equal([join(directory, 'in/closed/a.csv')]);
  });

  it('follows links to files and directories', async () => {
    mkdirSync(join(directory, 'far'));
    writeFileSync(join(directory, 'far/d.csv'), 'v\n1\n');
    symlinkSync('../far', join(directory, 'in/linked'));
    symlinkSync('../far/d.csv', join(directory, 'in/d.csv'));
    expect(await find('in/**')).to.deep.equal(
      ['in/b.csv', 'in/closed/a.csv', 'in/d.csv', 'in/linked/d.csv'].map((name) => join(directory, name)),
    );
  });

  it('names a file or directory whose name is not UTF-8', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/in/caf`), Buffer.from([0xe9]), Buffer.from('.csv')]), 'x');
    const file = await rejection(find('in/*.csv'));
    expect(file).to.include({ kind: 'notFound' });
    expect(file.message).to.contain('in/caf').and.to.contain('is not valid UTF-8');

    mkdirSync(Buffer.concat([Buffer.from(`${directory}/in/d`), Buffer.from([0xe9])]));
    expect((await rejection(find('in/*/*.csv'))).message)
      .to.contain('"in/d')
      .and.to.contain('is not valid UTF-8');
  });
});

describe('an input is processed once', () => {
  const place = forEachTest(openPlace);

  const files = { 'a.csv': 'v\n1\n', 'b.csv': 'v\n2\n' };
  const submitted = (from: string, more: Readonly<Record<string, string>> = {}) =>
    submitJob(
      place,
      `name: once\ninput: { from: ${from}, split: { by: csv, size: 1MB, header: true } }\nsteps: [{ name: s, run: [cat] }]\n`,
      { ...files, ...more },
    );

  it('refuses one that is given twice, that a pattern also matches, or that has two names', async () => {
    for (const [from, message] of [
      ['[a.csv, a.csv]', 'the input a.csv is given twice, so its data would be processed twice'],
      ['["*.csv", b.csv]', 'the input b.csv is given twice, so its data would be processed twice'],
      ['[a.csv, ./a.csv]', 'the input ./a.csv is the same as a.csv, so its data would be processed twice'],
    ] as const) {
      const error = await rejection(submitted(from));
      expect(error, from).to.include({ kind: 'refused', message });
    }
  });

  it('refuses a link next to its target', async () => {
    symlinkSync('b.csv', join(place.directory, 'latest.csv'));
    const error = await rejection(submitted('"*.csv"'));
    expect(error).to.include({
      kind: 'refused',
      message: 'the input latest.csv is the same as b.csv, so its data would be processed twice',
    });
  });

  it('refuses anything but regular files, whatever the split: no pipe, and no link to itself', async () => {
    execFileSync('mkfifo', [join(place.directory, 'pipe')]);
    symlinkSync('loop', join(place.directory, 'loop'));
    const yaml = (from: string) =>
      `name: odd\ninput: { from: "${from}", split: { by: file } }\nsteps: [{ name: s, run: [cat] }]\n`;
    for (const [from, kind, message] of [
      ['pipe', 'usage', 'the input pipe is not a regular file'],
      ['loop', 'notFound', 'is a broken link, so its data would be left out'],
    ] as const) {
      const error = await rejection(submitJob(place, yaml(from), {}));
      expect(error, from).to.include({ kind });
      expect(error.message).to.contain(message);
    }
    const { record } = await submitJob(place, yaml(`{a,${'b'.repeat(300)}}.csv`), files);
    expect(
      record.inputs.map(({ name }) => name),
      'a long pattern is no name',
    ).to.deep.equal(['a.csv']);
  });

  it('accepts two files with the same content as two inputs', async () => {
    const { record } = await submitted('"*.csv"', { 'b.csv': files['a.csv'] });
    expect(record.inputs.map(({ name }) => name)).to.deep.equal(['a.csv', 'b.csv']);
  });

  it('refuses a name that is both a file and a pattern for others, and accepts it escaped', async () => {
    const error = await rejection(submitted('"*.csv"', { '*.csv': 'v\n3\n' }));
    expect(error).to.include({
      kind: 'refused',
      message: 'the input *.csv is the name of a file, but also a pattern that matches a.csv',
    });
    const { record } = await submitted("'\\*.csv'");
    expect(record.inputs.map(({ name }) => name)).to.deep.equal(['*.csv']);
  });
});
