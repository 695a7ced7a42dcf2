// Protects: the bundle runs on a machine without npm and Node, and the images made from it run a manager and a worker.
import { type ChildProcess, execFile, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { aptOptions } from '../support/guest/guest.ts';
import { rangeJob } from '../support/range-job.ts';
import { installed, requireRoot } from '../support/run/lacking.ts';
import { freePort } from '../support/servers/program.ts';
import { until } from '../support/until.ts';
import { ROOT, VERSION, writeProject } from './local-project.ts';

const run = promisify(execFile);
/** The programs of a machine without Node. */
const PROGRAMS = ['sh', 'readlink', 'cat'];
/** The packages in Debian's small images that the Dockerfile and the test's jobs need. */
const PACKAGES = ['base-files', 'coreutils', 'dash', 'libstdc++6'];
/** Milliseconds; each wait takes seconds unless the machine is busy. */
const PATIENCE = 300_000;

describe('the bundle', function () {
  this.timeout(900_000);
  const dir = mkdtempSync(join(tmpdir(), 'bundle-'));
  const name = `batchctl-${VERSION}-linux-x64`;
  const cwd = join(dir, 'work');
  const bin = join(dir, 'bin');

  function batchctl(env: Readonly<Record<string, string>>, ...args: readonly string[]): SpawnSyncReturns<string> {
    const command = join(dir, name, 'batchctl');
    return spawnSync(command, args, { cwd, encoding: 'utf8', env: { PATH: bin, HOME: cwd, ...env } });
  }

  /** The output of a command, which must succeed. */
  function output(...args: readonly string[]): string {
    const { status, stdout, stderr } = batchctl({}, ...args);
    expect(status, `${args.join(' ')}\n${stdout}\n${stderr}`).to.equal(0);
    return stdout;
  }

  before(async () => {
    // Fast compression: nothing sends the bundle.
    await run(process.execPath, ['--import', 'tsx', 'build/bundle.mjs', dir, '1'], { cwd: ROOT });
    for (const path of [cwd, bin]) mkdirSync(path);
    for (const program of PROGRAMS) symlinkSync(pathOf(program), join(bin, program));
    await run('tar', ['xzf', join(dir, `${name}.tar.gz`), '-C', dir]);
    writeProject(cwd);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('runs and proves a job where PATH has no Node, also when called by a link', () => {
    expect(spawnSync('sh', ['-c', 'command -v node npm'], { env: { PATH: bin } }).status).to.not.equal(0);
    expect(output('version')).to.match(new RegExp(`^batchctl +${VERSION}\nnode +${process.versions.node}\n`));
    output('run', 'job.yaml', '-o', 'out.txt');
    expect(readFileSync(join(cwd, 'out.txt'), 'utf8').trim().split('\n')).to.have.length(30);
    output('verify', 'last');
    symlinkSync(join(dir, name, 'batchctl'), join(bin, 'batchctl'));
    const linked = spawnSync('batchctl', ['--version'], { encoding: 'utf8', env: { PATH: bin } });
    expect(linked.stdout.trim(), linked.stderr).to.equal(VERSION);
  });

  describe('in images', () => {
    let podman: Podman;

    before(async () => {
      requireRoot('run containers');
      podman = await Podman.open(dir);
      const context = join(dir, 'context');
      mkdirSync(join(context, 'build'), { recursive: true });
      copyFileSync(join(ROOT, 'build/healthy.mjs'), join(context, 'build/healthy.mjs'));
      copyFileSync(join(dir, `${name}.tar.gz`), join(context, `${name}.tar.gz`));
      await podman.makeBase('localhost/base');
      for (const target of ['manager', 'worker']) {
        const words = ['--target', target, '--tag', `localhost/${target}`, '--build-arg', 'BASE=localhost/base'];
        // The defaults are higher than a container's root may set them.
        const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
        // Only Docker's format has health checks.
        const flags = ['--quiet', '--format', 'docker', '--network', 'host', ...limits];
        await podman.run('build', ...flags, ...words, '--file', join(ROOT, 'Dockerfile'), context);
      }
    });
    after(() => podman?.close());

    it('runs a job as any user, even one that the image does not have', async () => {
      const script = 'cd /tmp && batchctl init && batchctl run --input job.yaml --split file -o - -- cat';
      const flags = ['--rm', '--pull', 'never', '--network', 'none', '--env', 'HOME=/tmp', '--entrypoint', 'sh'];
      const asUser = ['--user', '12345:12345', '--passwd=false'];
      const stdout = await podman.run('run', ...flags, ...asUser, 'localhost/worker', '-c', script);
      expect(stdout).to.include('name: squares');
    });

    it('a manager accepts a job and a worker runs it, not as root, and SIGTERM ends both after their work', async () => {
      const port = await freePort();
      const listen = ['--env', `BATCHCTL_LISTEN=0.0.0.0:${port}`, '--volume', 'data:/var/lib/batchctl'];
      await podman.start('manager', ...listen);
      await until('the manager is healthy', () => podman.isHealthy('manager'), PATIENCE);
      expect(await podman.exec('manager', 'id', '-u')).to.equal('10001');
      const fingerprint = await podman.exec('manager', 'batchctl', 'manager', 'fingerprint');
      const token = await podman.exec('manager', 'batchctl', 'manager', 'token', 'create', 'me', '--scope', 'operate');
      const remote = { backend: 'manager', url: `https://127.0.0.1:${port}`, tokenEnv: 'TOKEN', fingerprint };
      writeFileSync(join(cwd, 'manager.json'), JSON.stringify({ profile: 'remote', profiles: { remote } }));
      const through = (...args: readonly string[]): string => {
        const env = { BATCHCTL_CONFIG: join(cwd, 'manager.json'), TOKEN: token };
        const { status, stdout, stderr } = batchctl(env, ...args);
        expect(status, `${args.join(' ')}\n${stderr}\n${podman.logs('manager')}`).to.equal(0);
        return stdout.trim();
      };

      const work = 'read n; touch ~/begun; until [ -e ~/go ]; do sleep 0.1; done; echo "$n $(id -u)"';
      // With one attempt, a task that SIGTERM interrupts would fail the job.
      const job = rangeJob('held', 2, { name: 'work', attempts: 1, run: work });
      writeFileSync(join(cwd, 'held.json'), JSON.stringify(job));
      const id = through('submit', 'held.json');
      expect(await podman.isHealthy('worker', 'manager'), 'before there is a worker').to.equal(false);
      await podman.start('worker', '--pid', 'container:manager', '--volumes-from', 'manager');
      await until('the worker is healthy', () => podman.isHealthy('worker'), PATIENCE);
      await until('a task began', () => podman.exec('worker', 'ls', 'begun').catch(() => null), PATIENCE);

      await podman.run('kill', '--signal', 'TERM', 'worker');
      await until('the worker drains', () => podman.logs('worker').includes('asked to drain'), PATIENCE);
      await podman.exec('manager', 'touch', 'go');
      expect(await podman.exitCode('worker'), podman.logs('worker')).to.equal(0);
      through('wait', id, '--timeout', '5m');
      through('fetch', id, '-o', 'held.txt');
      expect(readFileSync(join(cwd, 'held.txt'), 'utf8')).to.equal('1 10001\n2 10001\n');
      const [{ retried, interrupted }] = JSON.parse(through('status', id, '--json')).steps;
      expect([retried, interrupted]).to.deep.equal([0, 0]);

      await podman.run('kill', '--signal', 'TERM', 'manager');
      expect(await podman.exitCode('manager'), podman.logs('manager')).to.equal(0);
    });
  });
});

/** Containers with a store of their own, in a mount namespace that ends with the test run. */
class Podman {
  readonly #dir: string;
  readonly #holder: ChildProcess;

  private constructor(dir: string, holder: ChildProcess) {
    this.#dir = dir;
    this.#holder = holder;
  }

  static async open(dir: string): Promise<Podman> {
    for (const name of ['podman', 'runc', 'mmdebstrap'] as const) installed(name);
    const holder = spawn('unshare', ['--mount', 'sh', '-c', 'echo; exec sleep infinity', dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    return new Podman(dir, holder);
  }

  /** A root of Debian's packages, unpacked: their scripts don't run, which takes a third of the time. */
  async makeBase(tag: string): Promise<void> {
    const tar = join(this.#dir, 'base.tar');
    const options = ['--mode=root', '--variant=extract', '--quiet', `--include=${PACKAGES.join(',')}`];
    const excludes = ['doc', 'locale'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`);
    await this.#inside(['mmdebstrap', ...options, ...(await aptOptions()), ...excludes, 'trixie', tar]);
    await this.run('import', '--quiet', tar, tag);
    rmSync(tar);
  }

  async run(...words: readonly string[]): Promise<string> {
    return this.#inside(this.#command(words));
  }

  /** Starts a container of the image with its name. */
  async start(name: string, ...flags: readonly string[]): Promise<void> {
    const common = ['--detach', '--pull', 'never', '--network', 'host', '--name', name];
    // The directory in their environment ends them with the test run.
    const env = ['--env', `TEST_OF=${this.#dir}`];
    await this.run('run', ...common, ...env, ...flags, `localhost/${name}`);
  }

  async exec(name: string, ...words: readonly string[]): Promise<string> {
    return this.run('exec', name, ...words);
  }

  /** Whether the image's health check passes in a container; by default in the one of the image's name. */
  async isHealthy(image: string, container = image): Promise<boolean> {
    const check = `exec /opt/batchctl-*/bin/node /opt/healthy.mjs ${image}`;
    const words = image === container ? ['healthcheck', 'run', container] : ['exec', container, 'sh', '-c', check];
    return this.run(...words).then(
      () => true,
      () => false,
    );
  }

  logs(name: string): string {
    const [command = '', ...words] = this.#entered(this.#command(['logs', name]));
    const { stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' });
    return stdout + stderr;
  }

  async exitCode(name: string): Promise<number> {
    return Number(await this.run('wait', name));
  }

  async close(): Promise<void> {
    await this.run('rm', '--all', '--force', '--time', '0', '--volumes').catch(console.error);
    this.#holder.kill('SIGKILL');
  }

  #command(words: readonly string[]): readonly string[] {
    const places = ['--root', join(this.#dir, 'images'), '--runroot', join(this.#dir, 'run')];
    return ['podman', ...places, '--runtime', 'runc', '--storage-driver', 'overlay', ...words];
  }

  async #inside(words: readonly string[]): Promise<string> {
    const [command = '', ...rest] = this.#entered(words);
    const env = { ...process.env, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' };
    return (await run(command, rest, { maxBuffer: 1 << 26, env })).stdout.trim();
  }

  #entered(words: readonly string[]): readonly string[] {
    return ['nsenter', `--mount=/proc/${this.#holder.pid}/ns/mnt`, ...words];
  }
}

function pathOf(program: string): string {
  for (const each of (process.env.PATH ?? '').split(delimiter)) {
    const { status } = spawnSync('test', ['-x', join(each, program)]);
    if (status === 0) return join(each, program);
  }
  throw new Error(`expected ${program} in PATH`);
}
