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
import { AWS_LEASE_SECONDS, AwsWorkspace } from '../support/aws-workspace.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { until } from '../support/until.ts';
import { jobYaml, ROOT, VERSION, writeProject } from './local-project.ts';
import { fetchNodes, npm, outputOf, packProgram } from './packed.ts';

/** The oldest Node, the first whose own SQLite is used, and the newest that users have. */
const NODES = ['20.19', '22.13', '22', '24'] as const;
/** Contracts that each driver of SQLite must keep. */
const CONTRACTS = [
  'test/lib/sqlite.test.ts',
  'test/adapters/sql/sqlite.test.ts',
  'test/adapters/sql/sql-ledger.test.ts',
  'test/adapters/local/sqlite-queue.test.ts',
  'test/adapters/local/sqlite-tenant.test.ts',
];

describe('the tarball of npm pack', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batchctl-install-'));
  let tarball: string;
  let programs: ReadonlyMap<string, string>;

  before(() => {
    tarball = packProgram(dir);
    const fetched = fetchNodes(dir, NODES);
    programs = new Map(NODES.map((node, at) => [node, fetched[at] ?? '']));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const env = { PATH: process.env.PATH ?? '', HOME: dir, npm_config_cache: process.env.npm_config_cache };
  const nodeOf = (node: string): string => programs.get(node) ?? '';

  it('is below 4 MB, without source maps, and has each page and example that the program names', () => {
    expect(statSync(tarball).size).to.be.below(4e6);
    const listed = outputOf(spawnSync('tar', ['tzf', tarball], { encoding: 'utf8' })).split('\n');
    const files = new Set(listed.map((name) => name.replace(/^package\//, '')));
    expect(
      [...files].filter((name) => /[.]map$|compiled[.]bin$|^(src|test)\/|node_modules\//.test(name)),
    ).to.deep.equal([]);
    const named = readdirSync(join(ROOT, 'dist'))
      .filter((name) => name.endsWith('.js'))
      .map((name) => readFileSync(join(ROOT, 'dist', name), 'utf8'))
      .flatMap((text) => text.match(/\b(docs|examples)\/[\w/-]+[.]\w+/g) ?? [])
      .filter((name) => existsSync(join(ROOT, name)));
    expect(named).to.include('docs/job-file.md');
    for (const name of [...named, 'LICENSE', 'README.md', 'docs/README.md', 'examples/README.md'])
      if (existsSync(join(ROOT, name))) expect(files.has(name), name).to.equal(true);
  });

  it('runs by npx with a cache of its own, and no registry', () => {
    const npmEnv = { ...env, npm_config_cache: join(dir, 'cache'), npm_config_update_notifier: 'false' };
    const words = ['--offline', '--yes', `./batchctl-${VERSION}.tgz`, '--version'];
    expect(outputOf(spawnSync('npx', words, { cwd: dir, encoding: 'utf8', env: npmEnv })).trim()).to.equal(VERSION);
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
        writeProject(cwd);
      });

      it('installs one package, with no registry and no warning', () => {
        const installed = npm(dir, nodeOf(node), 'install', '--global', '--offline', '--prefix', prefix, tarball);
        expect(outputOf(installed)).to.match(/added 1 package\b/);
        expect(installed.stderr).to.not.include('warn');
        expect(readdirSync(packages).filter((name) => !name.startsWith('.'))).to.deep.equal(['batchctl']);
        const kilobytes = Number.parseInt(outputOf(spawnSync('du', ['-sk', packages], { encoding: 'utf8' })), 10);
        const [, stated = ''] =
          /One package, (\d+) MB on disk/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
        expect((kilobytes * 1_024) / 1e6).to.be.within(Number(stated) - 1.5, Number(stated) + 0.5);
        expect(outputOf(batchctl('--version')).trim()).to.equal(VERSION);
        const page = /^See (.+)$/m.exec(outputOf(batchctl('help', 'exit-codes')))?.[1] ?? '';
        expect(page).to.equal(join(packages, 'batchctl/docs/exit-codes.md'));
        expect(existsSync(page)).to.equal(true);
      });

      it('satisfies the engines of every package of a clone', () => {
        const installed = npm(ROOT, nodeOf(node), 'ci', '--dry-run', '--offline', '--ignore-scripts');
        expect(outputOf(installed)).to.match(/\d/);
        expect(installed.stderr).to.not.include('EBADENGINE');
      });

      if (!hasSqlite) {
        it('names the package with SQLite that it needs, and finds it in the same folder', () => {
          const { status, stderr } = batchctl('run', 'job.yaml');
          expect([status, stderr.includes('npm install --global better-sqlite3@')], stderr).to.deep.equal([3, true]);
          mkdirSync(join(cwd, '.batchctl'), { recursive: true, mode: 0o700 });
          writeFileSync(join(cwd, '.batchctl/ledger.db'), 'a database that is left alone');
          const doctor = batchctl('doctor');
          rmSync(join(cwd, '.batchctl'), { recursive: true });
          expect(doctor.status).to.equal(3);
          expect(doctor.stdout)
            .to.match(
              /^fail +sqlite .*batchctl run will refuse to start\n +fix: .*npm install --global better-sqlite3@/m,
            )
            .and.not.include('move it away');
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
        expect(outputOf(batchctl('status', 'last'))).to.include('succeeded');
      });

      it('serves the dashboard, and its manager exits at SIGTERM', async () => {
        const argv = [join(packages, 'batchctl/bin/batchctl.js'), 'manager', '--listen', '127.0.0.1:0', '--json'];
        const manager = spawn(nodeOf(node), argv, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
        let stderr = '';
        manager.stderr.on('data', (data) => {
          stderr += data;
        });
        try {
          const address = await until('it listens', () => /"address":"([^"]+)"/.exec(stderr)?.[1]);
          const page = await fetch(address);
          expect([page.status, page.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8']);
          const ended = once(manager, 'exit');
          manager.kill('SIGTERM');
          expect(await ended, stderr).to.deep.equal([0, null]);
        } finally {
          manager.kill('SIGKILL');
        }
      });

      // Only with one version of Node: they differ only in SQLite.
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
        const password = database?.password ?? '';
        const ledger = database && { kind: database.kind, url: database.url(), passwordEnv: 'BATCHCTL_LEDGER_WORD' };
        const workspace = await AwsWorkspace.make({ ...places, ...(ledger !== null && { ledger }) });
        try {
          const settings = { TMPDIR: workspace.path('tmp'), BATCHCTL_TEST_LEASE_SECONDS: String(AWS_LEASE_SECONDS) };
          const PATH = `${join(nodeOf(node), '..')}${delimiter}${env.PATH}`;
          const clientEnv = { ...KEYS, ...settings, PATH, HOME: workspace.dir, BATCHCTL_LEDGER_WORD: password };
          writeFileSync(workspace.path('job.yaml'), jobYaml());
          const run = (...args: readonly string[]) =>
            promisify(execFile)(join(prefix, 'bin/batchctl'), args, { cwd: workspace.dir, env: clientEnv });
          await run('submit', 'job.yaml');
          await run('worker', '--until-empty', '--here');
          expect((await run('verify', 'last')).stdout).to.include('30');
          await run('fetch', 'last', '-o', 'out.txt');
          expect(readFileSync(workspace.path('out.txt'), 'utf8').trim().split('\n')).to.have.length(30);
          const [row] = (await database?.tables('select count(*) as jobs from jobs')) ?? [];
          if (database !== null) expect(Number(row?.jobs)).to.equal(1);
        } finally {
          await workspace.remove();
        }
      }

      if (hasSqlite) {
        it("keeps the contracts of queue and ledger with Node's own SQLite", () => {
          const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
          const argv = [mocha, '--reporter', 'dot', '--no-parallel', ...CONTRACTS];
          const { BATCHCTL_TEST_RUN: _, BATCHCTL_TEST_SETS: __, ...inherited } = process.env;
          const tests = spawnSync(nodeOf(node), argv, { cwd: ROOT, encoding: 'utf8', env: inherited });
          expect(outputOf(tests)).to.match(/\d+ passing/);
        });
      }
    });
  }
});
