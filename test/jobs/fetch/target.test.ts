// Protects: outputs go where -o says, fit there, and a fetch removes no draft but the old ones of dead fetches.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statfsSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { joinedNote, parseTarget, removeStaleDrafts, requireRoom } from '../../../src/jobs/fetch/target.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

describe('the target of -o', () => {
  const scratch = forEachTest(() => new Scratch());
  const parse = async (text: string) => parseTarget(text, { cwd: scratch.directory, write: async () => undefined });

  for (const [text, expected] of [
    ['-', { kind: 'stream' }],
    ['s3://acme', { kind: 'bucket', bucket: 'acme', prefix: '' }],
    ['s3://acme/', { kind: 'bucket', bucket: 'acme', prefix: '' }],
    ['s3://acme/out/', { kind: 'bucket', bucket: 'acme', prefix: 'out/' }],
    ['s3://acme/out', { kind: 'object', bucket: 'acme', key: 'out' }],
    ['new/', { kind: 'directory' }],
    ['new', { kind: 'file' }],
  ] as const) {
    it(`${text} is a ${expected.kind}`, async () => {
      expect(await parse(text)).to.include(expected);
    });
  }

  it('is refused if it is at an address that nothing is written to', async () => {
    for (const text of ['gs://acme/out/', 'HTTPS://acme/out', 'file:///tmp/out'])
      expect((await failsWith('config', parse(text))).message).to.include(text);
    for (const text of ['', 'a\0b']) await failsWith('usage', parse(text));
    expect(readdirSync(scratch.directory)).to.deep.equal([]);
  });

  it('needs as many bytes of room as it gets, and no more', async () => {
    const { bavail, bsize } = statfsSync(scratch.directory);
    const free = bavail * bsize;
    for (const text of ['new/', 'new.csv']) {
      const target = await parse(text);
      requireRoom(target, Math.floor(free * 0.7));
      expect(() => requireRoom(target, Math.ceil(free * 1.5)), text).to.throw(/has .* free/);
    }
  });

  it('is judged by what its user may do: a file is replaced in its directory, whatever its own mode', () => {
    for (const [name, mode] of [
      ['open', 0o777],
      ['shut', 0o555],
    ] as const) {
      mkdirSync(scratch.path(name));
      writeFileSync(scratch.path(name, 'file'), '');
      chmodSync(scratch.path(name, 'file'), name === 'open' ? 0o444 : 0o666);
      chmodSync(scratch.path(name), mode);
    }
    chmodSync(scratch.directory, 0o755);
    // access(2) asks for the real user, which a process can't take back: so in a process of its own.
    const target = join(import.meta.dirname, '../../../src/jobs/fetch/target.ts');
    const script = `import { parseTarget } from ${JSON.stringify(target)};
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      for (const text of ${JSON.stringify(['open/file', 'open/new', 'open', 'shut/file', 'shut/new', 'shut'])}) {
        try { console.log(text, parseTarget(text, { cwd: ${JSON.stringify(scratch.directory)} }).kind); }
        catch (error) { console.log(text, error.kind, error.message.replace(/^-o [^ ]*: /, '')); }
      }`;
    const node = ['--import', 'tsx', '--input-type=module', '-e', script];
    const said = execFileSync(process.execPath, node, { encoding: 'utf8' }).trim().split('\n');
    const shut = `${scratch.path('shut')} can't be written (EACCES: permission denied)`;
    expect(said).to.deep.equal([
      'open/file file',
      'open/new file',
      'open directory',
      `shut/file usage ${shut}`,
      `shut/new usage ${shut}`,
      `shut usage ${shut}`,
    ]);
  });

  it('is said to be one joined file if its name looks like a directory', () => {
    for (const name of ['out', 'out.csv']) writeFileSync(scratch.path(name), '');
    mkdirSync(scratch.path('in.d'));
    writeFileSync(scratch.path('in.d', 'out'), '');
    const note = ', joined (-o DIR/ writes a file for each)';
    for (const [text, outputs, expected] of [
      ['out', 2, note],
      ['in.d/out', 2, note],
      ['out', 1, ''],
      ['out.csv', 2, ''],
      ['none', 2, ''],
      ['in.d', 2, ''],
    ] as const)
      expect(joinedNote(text, outputs, scratch.directory), text).to.equal(expected);
  });
});

describe('drafts in the directory of a fetch', () => {
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  const draft = (letter: string): string => `.batchctl-${letter.repeat(16)}.part`;
  /** Writes a file that was last modified so many minutes ago. */
  const write = (name: string, minutes: number): void => {
    const at = new Date(Date.now() - minutes * 60_000);
    writeFileSync(scratch.path(name), '');
    utimesSync(scratch.path(name), at, at);
  };

  it('are removed once they were not written to for an hour, and nothing else is', async () => {
    write(draft('a'), 61);
    write(draft('b'), 59);
    for (const name of ['film.part', '.batchctl-notes.part', `x${draft('c')}`, `${draft('c')}.txt`])
      write(name, 10_000);
    await removeStaleDrafts(scratch.directory);
    expect(readdirSync(scratch.directory).sort()).to.deep.equal(
      [draft('b'), '.batchctl-notes.part', `${draft('c')}.txt`, 'film.part', `x${draft('c')}`].sort(),
    );
  });

  it("stay while their fetch is alive, however far ahead this machine's clock is of the file system's", async () => {
    write(draft('a'), 0);
    const { now } = Date;
    cleanup.replace(Date, 'now', () => now() + 7_200_000);
    await removeStaleDrafts(scratch.directory);
    expect(readdirSync(scratch.directory)).to.deep.equal([draft('a')]);
  });
});
