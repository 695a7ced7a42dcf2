import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootIn } from '../boot/boot-in.ts';
import { readUnit, type Unit, unitIn } from '../boot/unit.ts';
import { awsCheckVariables } from '../run/environment.ts';
import { killProcessesOf } from '../run/processes.mjs';

export interface HostOptions {
  readonly id: string;
  /** Its Auto Scaling group. */
  readonly group: string;
  readonly directory: string;
  readonly userData: string;
  readonly env: Readonly<Record<string, string>>;
}

const UNITS = ['batchctl-worker.service', 'batchctl-manager.service'] as const;
/** A variable of all processes on a host, by which they are found and killed when the host ends. */
const MARK = 'BATCHCTL_TEST_HOST';
/** Restart delays and start limits last this part of the time that the unit says. */
const RESTART_SHARE = 0.025;

/** What runs the programs of an emulated instance. */
export interface Instance {
  readonly starts: number;
  console(): string;
  run(): Promise<void>;
  killProgram(): void;
  end(grace: number): Promise<void>;
}

/** One instance: its boot, then its units as systemd runs them. */
export class Host implements Instance {
  /** The number of starts of its units' programs. */
  starts = 0;
  readonly #options: HostOptions;
  readonly #ended = new AbortController();
  #console = '';
  #main: ChildProcess | null = null;
  #running: Promise<void> | null = null;

  constructor(options: HostOptions) {
    this.#options = options;
    mkdirSync(options.directory, { mode: 0o755 });
  }

  console(): string {
    return this.#console;
  }

  /** Resolves when none of its processes is left. */
  run(): Promise<void> {
    this.#running ??= this.#boot();
    return this.#running;
  }

  /** Kills the program of its unit, as a bug or the kernel may; the instance stays. */
  killProgram(): void {
    this.#main?.kill('SIGKILL');
  }

  /** Sends SIGTERM, and kills all processes after `grace` milliseconds. */
  async end(grace: number): Promise<void> {
    this.#ended.abort();
    const main = this.#main;
    if (grace > 0 && main !== null && main.exitCode === null && main.signalCode === null) {
      const over = once(main, 'exit');
      // KillMode=mixed: only the main process gets the first signal (systemd.kill).
      main.kill('SIGTERM');
      await Promise.race([over, sleep(grace)]);
    }
    await killProcessesOf(`${MARK}=${this.#options.id}\0`);
    await this.#running;
  }

  async #boot(): Promise<void> {
    const { directory, userData, env, id } = this.#options;
    const { child, ended } = bootIn(directory, userData, { ...env, [MARK]: id });
    child.stdout?.on('data', (chunk: Buffer) => this.#say(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#say(chunk));
    let booting = true;
    const over = ended.finally(() => {
      booting = false;
    });
    // A unit starts before the boot ends.
    while (this.#started() === null && booting && !this.#ended.signal.aborted) await sleep(20);
    const started = this.#started();
    if (started !== null) await this.#serve(started);
    await over;
  }

  #started(): string | null {
    return UNITS.find((name) => readUnit(this.#options.directory, name) !== null) ?? null;
  }

  /** Runs a unit until it succeeds, or fails for good: then its OnFailure unit (systemd.unit: OnFailure). */
  async #serve(name: string): Promise<void> {
    const state = (word: string): void => writeFileSync(join(this.#options.directory, `${name}.state`), `${word}\n`);
    const begun: number[] = [];
    while (!this.#ended.signal.aborted) {
      // It may have been stopped, or rewritten by another boot.
      const unit = readUnit(this.#options.directory, name);
      if (unit === null) return;
      if (isSpent(unit, begun)) {
        this.#say(`unit ${name} was started too often\n`);
        return this.#failed(unit, state);
      }
      begun.push(performance.now());
      state('active');
      const code = await this.#start(unit);
      this.#say(`unit ${name} ended: ${code}\n`);
      if (code === 0) return state('inactive');
      // systemd.service: Restart=on-failure, RestartPreventExitStatus.
      const again = unit.restart === 'on-failure' && !(typeof code === 'number' && unit.noRestart.includes(code));
      if (!again) return this.#failed(unit, state);
      state('activating');
      await this.#pause(unit);
    }
  }

  async #failed({ onFailure }: Unit, state: (word: string) => void): Promise<void> {
    state('failed');
    if (onFailure === null) return;
    const unit = unitIn(this.#options.directory, onFailure);
    while (!this.#ended.signal.aborted && (await this.#exec(unit.argv, unit)) !== 0) await this.#pause(unit);
  }

  async #pause({ restartSeconds }: Unit): Promise<void> {
    const { signal } = this.#ended;
    await sleep(restartSeconds * 1_000 * RESTART_SHARE, undefined, { signal }).catch(() => 0);
  }

  async #start(unit: Unit): Promise<number | string> {
    for (const before of unit.before) {
      const code = await this.#exec(before.split(' '), unit);
      if (code !== 0) return code;
    }
    this.starts += 1;
    compile(unit.argv);
    return this.#exec(unit.argv, unit);
  }

  async #exec([command = '', ...args]: readonly string[], { cwd, env }: Unit): Promise<number | string> {
    if (this.#ended.signal.aborted) return 'SIGKILL';
    const child = spawn(command, args, {
      cwd: cwd || '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...this.#environment(), ...env, ...commandUser(env) },
    });
    this.#main = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#say(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#say(chunk));
    const [code, signal]: [number | null, string | null] = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (...how) => resolve(how));
    });
    return code ?? signal ?? 'unknown';
  }

  /** The environment of every program: systemd's own variables, and the addresses of this instance's services. */
  #environment(): Readonly<Record<string, string>> {
    const { directory, env, id } = this.#options;
    const path = `${join(import.meta.dirname, '../boot/bin')}:${process.env.PATH}`;
    return {
      PATH: path,
      HOME: join(directory, 'root'),
      BATCHCTL_ROOT: directory,
      ...awsCheckVariables(),
      ...env,
      [MARK]: id,
    };
  }

  #say(chunk: Buffer | string): void {
    this.#console = (this.#console + chunk.toString()).slice(-200_000);
  }
}

const COMPILED = join(import.meta.dirname, '../../../dist/compiled.bin');

/** Links the code that V8 compiled at the build, which bundles leave out, so that a start takes a third less CPU. */
function compile(argv: readonly string[]): void {
  const program = argv.find((word) => word.endsWith('/bin/batchctl.js')) ?? '';
  const file = join(dirname(program), '../dist/compiled.bin');
  if (existsSync(dirname(file)) && existsSync(COMPILED) && !existsSync(file)) symlinkSync(COMPILED, file);
}

/** Whether it was started too often to be started again (systemd.unit: StartLimitBurst). */
const isSpent = ({ limit }: Unit, begun: readonly number[]): boolean =>
  limit !== null &&
  begun.filter((at) => performance.now() - at < limit.seconds * 1_000 * RESTART_SHARE).length >= limit.starts;

/** Boots create no user here. Root runs commands as `nobody`, which the stand-in for `id` also names. */
function commandUser(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (env.BATCHCTL_COMMAND_USER === undefined) return {};
  return { BATCHCTL_COMMAND_USER: process.getuid?.() === 0 ? 'nobody' : '' };
}
