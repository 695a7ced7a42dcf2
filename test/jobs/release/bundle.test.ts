// Protects: workers get a small bundle that runs anywhere and is the same for the same sources.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { filesInArchive, unpackCode } from '../../../src/jobs/code-archive.ts';
import { type Bundle, packProgram } from '../../../src/jobs/release/stack-release.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../../..');

describe('the bundle of the workers', () => {
  const scratch = forSuite(() => new Scratch());
  let bundle: Bundle;

  before(async () => {
    bundle = await packProgram();
  });

  it('contains the program and its licences, but no packages, native or compiled code, or source maps', async () => {
    const files = [...(await filesInArchive(bundle.gzip)).keys()];
    expect(files).to.include.members(['bin/batchctl.js', 'dist/main.js', 'package.json', 'LICENSE']);
    expect(files).to.include('dist/lease-thread.js').and.include('dist/sqs-heartbeat.js');
    expect(files.filter((name) => /node_modules|[.](node|bin|map)$/.test(name))).to.deep.equal([]);
    expect(files.some((name) => name.endsWith('.LEGAL.txt'))).to.equal(true);
    expect(bundle.gzip.length).to.be.below(8 * 2 ** 20);
  });

  it('runs alone, wherever it is unpacked', async () => {
    const alone = scratch.path('alone');
    mkdirSync(alone);
    await unpackCode(bundle.gzip, bundle.sha256, alone);
    const run = (...args: readonly string[]) =>
      spawnSync(process.execPath, [join(alone, 'bin/batchctl.js'), ...args], {
        cwd: scratch.directory,
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: scratch.directory },
      });
    const version = run('--version');
    expect(version.stdout.trim(), version.stderr).to.equal(bundle.version);
    expect(run('worker', '--help').status).to.equal(0);
  });

  it('has the same checksum for the same files, whenever and wherever they were built', async () => {
    const built = scratch.path('built');
    for (const part of ['bin', 'dist', 'package.json', 'LICENSE']) {
      cpSync(join(ROOT, part), join(built, part), { recursive: true });
    }
    utimesSync(join(built, 'bin/batchctl.js'), 1, 1);
    expect((await packProgram(built)).sha256).to.equal(bundle.sha256);
    const program = join(built, 'bin/batchctl.js');
    writeFileSync(program, `${readFileSync(program, 'utf8')}// Another.\n`);
    expect((await packProgram(built)).sha256).not.to.equal(bundle.sha256);
  });

  it('is packed once per process', async () => {
    expect(await packProgram()).to.equal(await packProgram());
  });

  it('says what to type if the program is not built', async () => {
    const source = scratch.path('source');
    mkdirSync(source);
    expect((await failsWith('config', packProgram(source))).hint).to.equal(`npm run build (in ${source})`);
  });
});
