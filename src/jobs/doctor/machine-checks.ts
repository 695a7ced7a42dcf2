import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { isBatchctlError, messageOf } from '../../errors.ts';
import { isZone } from '../../lib/instant.ts';
import { formatSize } from '../../lib/units.ts';
import type { CheckResult } from '../../model/answers/upkeep.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import type { Check } from '../../ports/check.ts';

const run = promisify(execFile);

/** As in `engines` of package.json. */
const NODE = [20, 19] as const;
/** A worker with many slots needs a few open files for each. */
const FILES = { few: 1_024, tooFew: 256 };
/** Less memory than this is a warning, bytes. */
const LITTLE_MEMORY = 256 * 2 ** 20;
const PROGRAMS = ['/bin/sh', 'mkfifo', 'kill', 'cat'] as const;

interface Machine {
  readonly nodeVersion: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The profile's time zone; null: the machine's. */
  readonly tz: string | null;
  readonly platform: NodeJS.Platform;
}

export function machineChecks(machine: Machine): readonly Check[] {
  return [
    { code: 'node', run: () => nodeCheck(machine.nodeVersion) },
    { code: 'timeZone', run: () => zoneCheck(machine) },
    { code: 'programs', run: () => programsCheck(machine.platform) },
    { code: 'openFiles', run: (signal) => openFilesCheck(signal) },
    { code: 'memory', run: memoryCheck },
  ];
}

function nodeCheck(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NODE[0] || (major === NODE[0] && minor >= NODE[1])) return pass(`Node ${version}`);
  return fail(`Node ${version} is too old: expected ${NODE.join('.')} or later`, 'install Node 20 LTS or later');
}

/** Node silently treats an invalid TZ as UTC. */
function zoneCheck({ env, tz }: Machine): Finding {
  const { TZ } = env;
  const zone = tz ?? systemZone();
  if (tz === null && TZ !== undefined && TZ !== '' && !isKnownZone(TZ.replace(/^:/, '')))
    return warn(
      `TZ is ${TZ}, which is not a known time zone; times are read and shown in ${zone}`,
      'set TZ, or "tz" of the profile, to a name such as Europe/London',
    );
  return pass(`times are read and shown in ${zone}`);
}

/** The system's time zone. Node knows no name for a TZ that it can't read, and uses UTC. */
function systemZone(): string {
  const found: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return found ?? 'UTC';
}

/** Also for a file of zone data, which Node can't name. */
function isKnownZone(name: string): boolean {
  return isZone(name) || existsSync(`/usr/share/zoneinfo/${name}`) || name.startsWith('/');
}

function programsCheck(platform: NodeJS.Platform): Finding {
  const missing = PROGRAMS.filter((name) => !isProgram(name));
  if (missing.length > 0)
    return fail(`not found: ${missing.join(', ')}`, 'install coreutils and a POSIX shell as /bin/sh');
  if (platform === 'linux' && !existsSync('/proc/self/environ'))
    return warn(
      '/proc is missing, so processes that a command leaves behind are found only by their process group',
      'mount /proc',
    );
  return pass(`${PROGRAMS.join(', ')} found`);
}

/** Searches where workers do, whatever this shell's PATH is. */
function isProgram(name: string): boolean {
  const paths = name.startsWith('/') ? [name] : [`/usr/bin/${name}`, `/bin/${name}`];
  return paths.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function openFilesCheck(signal: AbortSignal): Promise<Finding> {
  const { stdout } = await run('/bin/sh', ['-c', 'ulimit -n'], { signal });
  const text = stdout.trim();
  const limit = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const fix = `run ulimit -n ${4 * FILES.few} before starting workers (systemd: LimitNOFILE=)`;
  if (limit < FILES.tooFew) return fail(`a process may open ${text} files, too few for a worker`, fix);
  if (limit < FILES.few)
    return warn(`a process may open ${text} files, which is few for a worker with many slots`, fix);
  return pass(`a process may open ${text} files`);
}

function memoryCheck(): Finding {
  const constrained = process.constrainedMemory();
  const total = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  const free = Math.min(availableMemory(), total);
  const text = `${formatSize(free)} of ${formatSize(total)} of memory free`;
  if (free < LITTLE_MEMORY)
    return warn(text, 'end what uses it, or give workers fewer slots (--slots); otherwise commands may be killed');
  return pass(text);
}

/** Memory available without swapping: caches count as free. */
function availableMemory(): number {
  if (!existsSync('/proc/meminfo')) return freemem();
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1_024;
}

/**
 * Milliseconds for a check. A service's check makes several requests, each with a handshake, which may take seconds on
 * a busy machine or a slow link.
 */
const LIMIT_MS = 15_000;

/** Runs checks in parallel and returns their results in order. A check that hangs or throws can't stop the others. */
export function runChecks(checks: readonly Check[], limitMs = LIMIT_MS): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async (check): Promise<CheckResult> => ({ code: check.code, ...(await runOne(check, limitMs)) })),
  );
}

async function runOne(check: Check, limitMs: number): Promise<Finding> {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      stop.abort();
      resolve(fail(`no answer within ${limitMs / 1_000} s`, 'a disk or service hangs; check it and try again'));
    }, limitMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(() => check.run(stop.signal)), late]);
  } catch (error) {
    return errorFinding(error);
  } finally {
    clearTimeout(timer);
  }
}

/** The failed check for a known error, with its hint or else `fix`. Rethrows any other error. */
export function failedCheck(code: string, error: unknown, fix: string): CheckResult {
  if (!isBatchctlError(error)) throw error;
  return { code, ...fail(error.message, error.hint ?? fix) };
}

function errorFinding(error: unknown): Finding {
  const message = messageOf(error);
  return fail(message, (isBatchctlError(error) ? error.hint : undefined) ?? 'run it again with --verbose for details');
}
