import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cron } from 'croner';
import { runCli } from '../cli/fake-io.ts';
import { movedSystemClock } from './moved-clock.ts';
import { withEnvironment } from './run/environment.ts';
import { LEASE } from './workspace.ts';

/** A crontab's lines, as cron reads them. */
interface Crontab {
  /** `NAME=value` lines: the environment of the commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly entries: readonly CronEntry[];
}

export interface CronEntry {
  /** As it stands in the crontab. */
  readonly line: string;
  /** Minute, hour, day of month, month, day of week; null for `@reboot`. */
  readonly fields: readonly string[] | null;
  /** What `sh -c` gets: `\%` is a `%`. */
  readonly command: string;
}

/** The crontabs of a page: its blocks fenced as `crontab`, in order. */
export function crontabsIn(page: string): readonly Crontab[] {
  return [...page.matchAll(/^```crontab\n([\s\S]*?)^```$/gm)].map((match) => parseCrontab(match[1] ?? ''));
}

function parseCrontab(text: string): Crontab {
  const env: Record<string, string> = {};
  const entries: CronEntry[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const setting = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (setting?.[1] !== undefined) env[setting[1]] = setting[2] ?? '';
    else entries.push(entryOf(line));
  }
  return { env, entries };
}

function entryOf(line: string): CronEntry {
  const match = /^(?:@reboot|(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+))\s+(.*)$/.exec(line);
  const command = match?.[6];
  if (match === null || command === undefined) throw new Error(`no crontab line: ${line}`);
  if (/(^|[^\\])%/.test(command)) throw new Error(`cron ends this command at its first %: ${line}`);
  const fields = match.slice(1, 6);
  return { line, fields: line.startsWith('@') ? null : fields, command: command.replaceAll('\\%', '%') };
}

/**
 * Whether cron starts the line in the minute at which the clocks of a zone show the instant. If both days are restricted,
 * either is enough: as crontab(5) has it, and croner by default.
 */
export function isDue({ fields }: CronEntry, at: Date, timezone: string): boolean {
  return fields !== null && new Cron(fields.join(' '), { timezone }).match(at);
}

const ROOT = join(import.meta.dirname, '../..');
/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? join(ROOT, 'bin/batchctl.js');
/** Where the page's crontab has the scripts. */
const HOME_OF_SCRIPTS = '/srv/claims';

const LEASES = { BATCHCTL_TEST_LEASE_SECONDS: String(LEASE) };
/** Tasks of milliseconds vary too much for a share that operators would set. */
const NO_MAIL = '100000%';

/** The output of a firing, which cron would mail, and its exit code. */
interface Fired {
  readonly code: number | null;
  readonly mail: string;
}

interface Firing {
  readonly ended: Promise<Fired>;
  /** Kills all of it at once, as a power cut would. */
  kill(): void;
}

interface FireOptions {
  /** What the clock shows when it begins; it goes on from there. */
  readonly at: Date;
  readonly env?: Readonly<Record<string, string>>;
}

/** The examples' scripts in a directory of their own, whose crontab lines are fired as cron would, at a time of one's choice. */
export class CronScripts {
  readonly #dir = mkdtempSync(join(tmpdir(), 'batchctl-cron-'));
  readonly #bin = join(this.#dir, 'bin');
  readonly #calls = join(this.#dir, 'calls');
  readonly #crontab: Crontab;
  readonly #running = new Set<ChildProcess>();

  /** `recording`: in place of batchctl a program that notes how it was called, and knows no job. */
  constructor(crontab: Crontab, program: 'batchctl' | 'recording') {
    this.#crontab = crontab;
    cpSync(join(ROOT, 'examples/cron'), this.path(), { recursive: true });
    for (const directory of [this.#bin, this.path('in')]) mkdirSync(directory);
    const text = program === 'batchctl' ? `exec "${process.execPath}" "${BIN}" "$@"` : recording(this.#calls);
    writeFileSync(join(this.#bin, 'batchctl'), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  /** A path in the scripts' directory. */
  path(...names: readonly string[]): string {
    return join(this.#dir, 'claims', ...names);
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** The command of a line, for the scripts in this directory. */
  commandOf({ command }: CronEntry): string {
    return command.replaceAll(HOME_OF_SCRIPTS, this.path());
  }

  /** The environment that cron gives the crontab's commands. */
  env(): Readonly<Record<string, string>> {
    const { PATH = '/usr/bin:/bin', ...settings } = this.#crontab.env;
    const here = Object.entries(settings).map(([name, value]) => [
      name,
      value.replaceAll(HOME_OF_SCRIPTS, this.path()),
    ]);
    return {
      HOME: this.#dir,
      LOGNAME: 'claims',
      SHELL: '/bin/sh',
      ...Object.fromEntries(here),
      PATH: `${this.#bin}:${PATH}`,
    };
  }

  /** Starts a command as cron does: its environment, no terminal, no input, stdout and stderr into the mail. */
  start(what: CronEntry | string, { at, env = {} }: FireOptions): Firing {
    const command = typeof what === 'string' ? what : this.commandOf(what);
    const child = spawn('/bin/sh', ['-c', `exec 2>&1\n${command}`], {
      cwd: this.#dir,
      // The clock that measures durations stays true: waits, heartbeats and time limits take what they take.
      env: { ...this.env(), ...movedSystemClock(at.toISOString()), REGRESS: NO_MAIL, ...LEASES, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    this.#running.add(child);
    let mail = '';
    child.stdout.on('data', (chunk: Buffer) => {
      mail += chunk.toString();
    });
    const ended = new Promise<Fired>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        this.#running.delete(child);
        resolve({ code, mail });
      });
    });
    return { ended, kill: () => killGroup(child) };
  }

  fire(what: CronEntry | string, options: FireOptions): Promise<Fired> {
    return this.start(what, options).ended;
  }

  /** The periods that `batchctl run` was called for so far; forgets them. */
  takePeriods(): readonly string[] {
    const calls = existsSync(this.#calls) ? readFileSync(this.#calls, 'utf8').split('\n') : [];
    rmSync(this.#calls, { force: true });
    return calls.flatMap((call) => /^run \S+ --period (\S+) /.exec(call)?.[1] ?? []);
  }

  /** batchctl here, to its end, in this process, on the machine's clock; its stdout. Throws when it fails. */
  async batchctl(...args: readonly string[]): Promise<string> {
    // A process reads its zone once, and no answer in JSON depends on it.
    const { TZ: _, ...env }: Readonly<Record<string, string>> = { ...this.env(), ...LEASES };
    const ended = await withEnvironment(env, () => runCli(args, { cwd: this.path(), env }));
    if (ended?.code !== 0) throw new Error(`batchctl ${args.join(' ')} exited with ${ended?.code}: ${ended?.stderr}`);
    return ended.stdout;
  }

  /** The jobs there are, newest first. */
  async jobs(): Promise<readonly { readonly job: string; readonly runKey: string; readonly state: string }[]> {
    const lines = (await this.batchctl('jobs', '--json')).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as { job: string; runKey: string; state: string });
  }

  async remove(): Promise<void> {
    const gone = [...this.#running].map((child) => new Promise((resolve) => child.on('close', resolve)));
    for (const child of this.#running) killGroup(child);
    await Promise.all(gone);
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** The instant at which the clocks of a zone show a time such as `2026-11-30 18:30`. */
export function instantOf(time: string, zone: string): Date {
  const seconds = execFileSync('date', ['-d', time, '+%s'], { env: { TZ: zone, PATH: process.env.PATH } });
  return new Date(Number(seconds) * 1000);
}

const recording = (calls: string): string =>
  [`echo "$*" >>"${calls}"`, 'case "$*" in status* | *--compare*) exit 4 ;; esac'].join('\n');

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
