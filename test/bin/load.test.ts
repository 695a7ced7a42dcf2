// Protects: the built program starts fast from compiled code, and never runs stale or damaged code.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { jobYaml, ROOT, writeProject } from './local-project.ts';

/** Runs a command line like batchctl, then reports for each module whether V8 accepted its compiled code. */
const REPORT = `
  const { load, scripts } = require(process.argv[1]);
  load('main.js').main(process.argv.slice(2)).then((code) => {
    const of = (rejected) => [...scripts].filter(([, script]) => script.cachedDataRejected === rejected).map(([name]) => name);
    console.error(JSON.stringify({ code, accepted: of(false), rejected: of(true), without: of(undefined) }));
  });`;

/** The exit code, and the modules whose compiled code V8 accepted or rejected, and those without compiled code. */
interface LoadReport {
  readonly code: number;
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
  readonly without: readonly string[];
}

describe('the loader of the built program', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-load-'));
  const program = join(dir, 'program');
  const compiled = join(program, 'dist/compiled.bin');
  const env = { PATH: process.env.PATH, HOME: dir };
  let original: Buffer;

  before(() => {
    mkdirSync(program);
    for (const part of ['bin', 'package.json']) cpSync(join(ROOT, part), join(program, part), { recursive: true });
    cpSync(join(ROOT, 'dist'), join(program, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    original = readFileSync(compiled);
    writeProject(dir, jobYaml(2, 'true'));
    expect(batchctl('run', 'job.yaml').status).to.equal(0);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const node = (...args: readonly string[]) => spawnSync(process.execPath, args, { cwd: dir, env, encoding: 'utf8' });
  const batchctl = (...args: readonly string[]) => node(join(program, 'bin/batchctl.js'), ...args);
  const reportOf = (flags: readonly string[], ...args: readonly string[]): LoadReport => {
    const { stderr } = node(...flags, '-e', REPORT, join(program, 'bin/load.js'), ...args);
    return JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
  };

  it('uses compiled code for every chunk of the usual commands', () => {
    for (const words of [['--help'], ['status', 'last'], ['jobs', '--json'], ['run', 'job.yaml', '--quiet']]) {
      const { code, accepted, rejected, without } = reportOf([], ...words);
      expect(code, words.join(' ')).to.equal(0);
      expect(rejected).to.deep.equal([]);
      const chunks = without.filter((name) => /-[A-Z0-9]{8}[.]js$/.test(name));
      expect(chunks, words.join(' ')).to.deep.equal([]);
      expect(accepted.length, words.join(' ')).to.be.greaterThan(1);
    }
  });

  it('loads the usual commands in a few scripts', () => {
    for (const [words, most] of [
      [['status', 'last'], 6],
      [['run', 'job.yaml', '--quiet'], 10],
    ] as const) {
      const { accepted, without } = reportOf([], ...words);
      expect([...accepted, ...without].length, [...accepted, ...without].join(' ')).to.be.at.most(most);
    }
  });

  it('shows a job without loading the slow modules of Node', () => {
    const { stdout } = node(
      '-e',
      `${REPORT}; process.on('exit', () => console.log(JSON.stringify(process.moduleLoadList)));`,
      ...[join(program, 'bin/load.js'), 'status', 'last'],
    );
    const loaded: readonly string[] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    for (const slow of ['crypto', 'child_process', 'http', 'zlib', 'worker_threads']) {
      expect(loaded, slow).not.to.include(`NativeModule ${slow}`);
    }
  });

  it('never uses old compiled code for a file whose text changed', () => {
    expect(reportOf([], 'status', 'last').without).to.include('main.js');
  });

  it('compiles by itself if V8 runs with other flags', () => {
    const { code, accepted, rejected } = reportOf(['--no-opt'], 'status', 'last');
    expect({ code, accepted }).to.deep.equal({ code: 0, accepted: [] });
    expect(rejected.length).to.be.greaterThan(1);
  });

  const damages: Readonly<Record<string, () => void>> = {
    'that is missing': () => rmSync(compiled),
    'that is empty': () => truncateSync(compiled, 0),
    'that was truncated': () => truncateSync(compiled, original.length >> 1),
    'that is incomplete': () => {
      const { packs } = JSON.parse(original.toString('latin1', 10, 10 + Number(original.toString('latin1', 0, 10))));
      truncateSync(compiled, packs.local.text[0]);
    },
    'that has no header': () => writeFileSync(compiled, Buffer.alloc(original.length)),
    'of another Node': () =>
      writeFileSync(compiled, original.toString('latin1').replace(process.version, 'v20.0.0'), 'latin1'),
    'of a later format': () =>
      writeFileSync(compiled, original.toString('latin1').replace('"format":1', '"format":2'), 'latin1'),
  };
  for (const [which, damage] of Object.entries(damages)) {
    it(`runs as usual with compiled code ${which}`, () => {
      damage();
      try {
        const { code, accepted, rejected } = reportOf([], 'status', 'last');
        expect({ code, rejected }).to.deep.equal({ code: 0, rejected: [] });
        if (!['that was truncated', 'that is incomplete'].includes(which)) expect(accepted).to.deep.equal([]);
      } finally {
        writeFileSync(compiled, original);
      }
    });
  }

  it('leaves source maps and coverage to Node', () => {
    const coverage = join(dir, 'coverage');
    const command = [join(program, 'bin/batchctl.js'), '--version'];
    const { status } = spawnSync(process.execPath, command, { cwd: dir, env: { ...env, NODE_V8_COVERAGE: coverage } });
    expect(status).to.equal(0);
    const texts = readdirSync(coverage).map((name) => readFileSync(join(coverage, name), 'utf8'));
    expect(texts.some((text) => text.includes('/dist/main.js'))).to.equal(true);
    const script = `
      const { load } = require(process.argv[1]);
      load('main.js').main(['--version'], { get stdout() { throw new Error('no stdout'); } }).catch(({ stack }) => console.log(stack));`;
    const { stdout } = node('--enable-source-maps', '-e', script, join(program, 'bin/load.js'));
    expect(stdout).to.match(/src\/cli\/main[.]ts:\d+/);
  });

  it('exits 13 if the program stops without an answer', () => {
    const main = join(program, 'dist/main.js');
    const text = readFileSync(main);
    writeFileSync(main, 'exports.main = () => new Promise(() => {});');
    try {
      expect(batchctl('status').status).to.equal(13);
    } finally {
      writeFileSync(main, text);
    }
  });

  it("fails the same way each time if a module can't be loaded", () => {
    writeFileSync(join(program, 'dist/broken.js'), "exports.half = true; require('./absent.js');");
    const twice = `
      const { load } = require(process.argv[1]);
      for (const _ of [1, 2]) try { load('broken.js'); console.log('loaded'); } catch ({ code }) { console.log(code); }`;
    expect(node('-e', twice, join(program, 'bin/load.js')).stdout).to.equal('ENOENT\nENOENT\n');
  });
});
