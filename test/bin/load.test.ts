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

const ROOT = join(import.meta.dirname, '../..');

/** Runs a command line like batchctl, then reports for each module whether V8 accepted its compiled code. */
const TELL = `
  const { load, scripts } = require(process.argv[1]);
  load('main.js').main(process.argv.slice(2)).then((code) => {
    const of = (rejected) => [...scripts].filter(([, script]) => script.cachedDataRejected === rejected).map(([name]) => name);
    console.error(JSON.stringify({ code, taken: of(false), refused: of(true), without: of(undefined) }));
  });`;

interface Told {
  readonly code: number;
  readonly taken: readonly string[];
  readonly refused: readonly string[];
  readonly without: readonly string[];
}

describe('the loader of the built program', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-load-'));
  const program = join(dir, 'program');
  const compiled = join(program, 'dist/compiled.bin');
  const env = { PATH: process.env.PATH, HOME: dir };
  let whole: Buffer;

  before(() => {
    mkdirSync(program);
    for (const part of ['bin', 'package.json']) cpSync(join(ROOT, part), join(program, part), { recursive: true });
    cpSync(join(ROOT, 'dist'), join(program, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    whole = readFileSync(compiled);
    const local = { profile: 'local', profiles: { local: { backend: 'local' } } };
    writeFileSync(join(dir, 'batchctl.config.json'), JSON.stringify(local));
    const job = 'name: one\ninput: { split: { by: range, from: 1, to: 2 } }\nsteps: [{ name: work, run: "true" }]\n';
    writeFileSync(join(dir, 'job.yaml'), job);
    expect(batchctl('run', 'job.yaml').status).to.equal(0);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const node = (...args: readonly string[]) => spawnSync(process.execPath, args, { cwd: dir, env, encoding: 'utf8' });
  const batchctl = (...args: readonly string[]) => node(join(program, 'bin/batchctl.js'), ...args);
  const tell = (flags: readonly string[], ...args: readonly string[]): Told => {
    const { stderr } = node(...flags, '-e', TELL, join(program, 'bin/load.js'), ...args);
    return JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
  };

  it('uses compiled code for every chunk of the usual commands', () => {
    for (const words of [['--help'], ['status', 'last'], ['jobs', '--json'], ['run', 'job.yaml', '--quiet']]) {
      const { code, taken, refused, without } = tell([], ...words);
      expect(code, words.join(' ')).to.equal(0);
      expect(refused).to.deep.equal([]);
      expect(
        without.filter((name) => /-[A-Z0-9]{8}[.]js$/.test(name)),
        words.join(' '),
      ).to.deep.equal([]);
      expect(taken.length, words.join(' ')).to.be.greaterThan(1);
    }
  });

  it('loads the usual commands in a few scripts', () => {
    for (const [words, most] of [
      [['status', 'last'], 6],
      [['run', 'job.yaml', '--quiet'], 10],
    ] as const) {
      const { taken, without } = tell([], ...words);
      expect([...taken, ...without].length, [...taken, ...without].join(' ')).to.be.at.most(most);
    }
  });

  it('shows a job without loading the slow modules of Node', () => {
    const { stdout } = node(
      '-e',
      `${TELL}; process.on('exit', () => console.log(JSON.stringify(process.moduleLoadList)));`,
      ...[join(program, 'bin/load.js'), 'status', 'last'],
    );
    const loaded: readonly string[] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    for (const slow of ['crypto', 'child_process', 'http', 'zlib', 'worker_threads']) {
      expect(loaded, slow).not.to.include(`NativeModule ${slow}`);
    }
  });

  it('never uses old compiled code for a file whose text changed', () => {
    expect(tell([], 'status', 'last').without).to.include('main.js');
  });

  it('compiles by itself if V8 runs with other flags', () => {
    const { code, taken, refused } = tell(['--no-opt'], 'status', 'last');
    expect({ code, taken }).to.deep.equal({ code: 0, taken: [] });
    expect(refused.length).to.be.greaterThan(1);
  });

  const damages: Readonly<Record<string, () => void>> = {
    'that is missing': () => rmSync(compiled),
    'that is empty': () => truncateSync(compiled, 0),
    'that was truncated': () => truncateSync(compiled, whole.length >> 1),
    'of which only some is there': () => {
      const { packs } = JSON.parse(whole.toString('latin1', 10, 10 + Number(whole.toString('latin1', 0, 10))));
      truncateSync(compiled, packs.local.text[0]);
    },
    'that has no header': () => writeFileSync(compiled, Buffer.alloc(whole.length)),
    'of another Node': () =>
      writeFileSync(compiled, whole.toString('latin1').replace(process.version, 'v20.0.0'), 'latin1'),
    'of a later format': () =>
      writeFileSync(compiled, whole.toString('latin1').replace('"format":1', '"format":2'), 'latin1'),
  };
  for (const [which, damage] of Object.entries(damages)) {
    it(`runs as usual with compiled code ${which}`, () => {
      damage();
      try {
        const { code, taken, refused } = tell([], 'status', 'last');
        expect({ code, refused }).to.deep.equal({ code: 0, refused: [] });
        if (!['that was truncated', 'of which only some is there'].includes(which)) expect(taken).to.deep.equal([]);
      } finally {
        writeFileSync(compiled, whole);
      }
    });
  }

  it('leaves source maps and coverage to Node', () => {
    const coverage = join(dir, 'coverage');
    const covered = spawnSync(process.execPath, [join(program, 'bin/batchctl.js'), '--version'], {
      ...{ cwd: dir, encoding: 'utf8' },
      env: { ...env, NODE_V8_COVERAGE: coverage },
    });
    expect(covered.status, covered.stderr).to.equal(0);
    const found = readdirSync(coverage).map((name) => readFileSync(join(coverage, name), 'utf8'));
    expect(found.some((text) => text.includes('/dist/main.js'))).to.equal(true);
    const fails = `
      const { load } = require(process.argv[1]);
      load('main.js').main(['--version'], { get stdout() { throw new Error('no stdout'); } }).catch(({ stack }) => console.log(stack));`;
    const { stdout } = node('--enable-source-maps', '-e', fails, join(program, 'bin/load.js'));
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
