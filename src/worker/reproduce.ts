import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { fetchCode } from '../jobs/code-archive.ts';
import { readOpened } from '../jobs/listing.ts';
import { refusePruned } from '../jobs/prune/pruned.ts';
import type { TaskName } from '../jobs/tasks.ts';
import { randomId } from '../lib/id.ts';
import { shellQuote } from '../lib/shell-word.ts';
import { hasBarrier, sectionStart } from '../model/job.ts';
import { outKey } from '../model/keys.ts';
import { changedCode, changedStep } from '../model/overrides.ts';
import { type JobView, overridesOf, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { Runnable } from './admit.ts';
import { argvOf, SHELL_VARIABLES } from './command-script.ts';
import { commandOf, environmentOf, INHERITED, secretsOf } from './environment.ts';
import { JobCache } from './job-cache.ts';
import type { Secrets } from './secrets.ts';
import type { SlotDirectory } from './slot-directory.ts';
import { type StagedInput, stageIn } from './stage-in.ts';

export interface ReproducedTask {
  readonly task: Runnable;
  readonly directory: string;
  /** Bytes of its input. */
  readonly bytes: number;
  /** SHA-256 of the code archive in `work`; null for a job without files. */
  readonly code: string | null;
  /** References of its command's secrets: the step's, and those of the profile's group. */
  readonly secrets: Secrets;
}

export interface ReproduceOptions {
  readonly task: TaskName;
  /** Created if missing; must be empty. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/**
 * Sets up a task in a directory as its next attempt would find it: `input`, the job's files (corrected ones, if a retry
 * brought some) in `work`, `env`, and `run.sh`, which runs it. The directory appears completely or not at all. Throws
 * `refused` for a directory that isn't empty, `notFound` for a pruned job and for a task without input so far,
 * `changed` for an input that changed since the job was accepted.
 */
export async function reproduce(platform: Platform, view: JobView, options: ReproduceOptions): Promise<ReproducedTask> {
  const task = runnable(view, options.task);
  requireEmpty(options.directory);
  await requireInput(platform.store, task);
  mkdirSync(dirname(options.directory), { recursive: true });
  const partial = join(dirname(options.directory), `.${basename(options.directory)}.${randomId(8)}`);
  try {
    mkdirSync(join(partial, 'work'), { recursive: true, mode: 0o700 });
    const written = await writeTaskFiles(platform, task, partial, options.signal);
    renameSync(partial, options.directory);
    return { ...written, task, directory: options.directory };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw notEmpty(options.directory);
    throw error;
  }
}

function runnable(view: JobView, { step: index, name, task }: TaskName): Runnable {
  const accepted = view.record.spec.steps[index];
  if (accepted === undefined) throw new BatchctlError('notFound', `job ${view.record.job} has no step ${name}`);
  refusePruned(view, 'its inputs');
  const overrides = overridesOf(view, index, task);
  const message = { job: view.record.job, step: name, task, round: roundOf(view, index, task) };
  return { message, view, overrides, step: changedStep(accepted, overrides), index, number: 1 };
}

async function requireInput(store: ObjectStore, { view, index, message }: Runnable): Promise<void> {
  const { steps } = view.record.spec;
  const name = `${message.step}/${message.task}`;
  if (hasBarrier(steps, index)) {
    if ((await readOpened(store, message.job, message.step)) !== null) return;
    throw new BatchctlError('notFound', `${name} has no input yet: it waits for all chains before it`, {
      hint: `batchctl status ${message.job}`,
    });
  }
  const before = steps[index - 1];
  if (before === undefined || sectionStart(steps, index) === index) return;
  if ((await store.head(outKey(message.job, before.name, message.task))) !== null) return;
  throw new BatchctlError('notFound', `${name} has no input yet: ${before.name}/${message.task} isn't done`, {
    hint: `batchctl reproduce ${message.job} ${before.name}/${message.task}`,
  });
}

async function writeTaskFiles(
  platform: Platform,
  task: Runnable,
  directory: string,
  signal: AbortSignal,
): Promise<Pick<ReproducedTask, 'bytes' | 'code' | 'secrets'>> {
  const slot = slotIn(directory);
  const staged = await stageIn({ platform, jobs: new JobCache(platform.store, 60_000) }, task, slot, signal);
  const code = changedCode(task.view.record, task.overrides);
  if (code !== null) await fetchCode(platform.store, code, slot.cwd);
  const secrets = secretsOf(platform, task.step.group, task.step);
  const command = commandIn(platform, task, { staged, slot, secrets });
  writeFileSync(join(directory, 'env'), envText(command), { mode: 0o600 });
  writeFileSync(join(directory, 'run.sh'), runScript(command), { mode: 0o700 });
  return { bytes: staged.bytes, code, secrets };
}

function slotIn(directory: string): SlotDirectory {
  const input = join(directory, 'input');
  const output = join(directory, 'output');
  return {
    ...{ cwd: join(directory, 'work'), stdin: input, inputDirectory: input, counters: join(directory, 'counters') },
    ...{ stdout: output, outputFile: output, outputDirectory: output, stderr: join(directory, 'stderr') },
  };
}

/** The command with its variables: those with paths of the slot get the name of what they refer to. */
function commandIn(
  platform: Platform,
  task: Runnable,
  { staged, slot, secrets }: { readonly staged: StagedInput; readonly slot: SlotDirectory; readonly secrets: Secrets },
): ReproducedCommand {
  const { job, step, task: n, round } = task.message;
  const { leaseSeconds } = platform;
  const groupEnv = platform.commandSettings?.(task.step.group).env ?? {};
  const facts = { worker: '', attempt: '', leaseSeconds, deadline: 0, secrets: {}, inherited: {}, groupEnv };
  const all = environmentOf(task, staged, slot, facts);
  const [env, places]: [Record<string, string>, Record<string, string>] = [{}, {}];
  const paths = new Map([slot.stdin, slot.counters, slot.outputFile].map((path) => [path, basename(path)]));
  for (const [name, value] of Object.entries(all)) {
    const place = paths.get(value);
    if (place !== undefined) places[name] = place;
    else if (name in task.step.env || name in groupEnv || isCommandVariable(name)) env[name] = value;
  }
  return {
    title: `${step}/${n} of ${job}, round ${round}`,
    run: commandOf(task, staged),
    ...{ env, places, secrets, output: task.step.output },
    ...{ stdin: staged.stdin !== null, timeout: task.step.timeout },
  };
}

/** Variables that run.sh sets itself: the marks, by which its caller finds it, and the deadline, in the future. */
const SET_BY_SCRIPT = ['BATCHCTL_WORKER_ID', 'BATCHCTL_ATTEMPT', 'BATCHCTL_DEADLINE'];

function isCommandVariable(name: string): boolean {
  return !INHERITED.some((known) => known === name) && !SET_BY_SCRIPT.includes(name);
}

function requireEmpty(directory: string): void {
  try {
    if (readdirSync(directory).length > 0) throw notEmpty(directory);
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) throw notEmpty(directory);
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function notEmpty(directory: string): BatchctlError {
  return new BatchctlError('refused', `expected an empty directory or none, but ${directory} is in use`, {
    hint: 'remove it, or use another one with -o',
  });
}

/** The data for `run.sh` and `env` of a reproduced task. */
interface ReproducedCommand {
  /** `step/n of job, round r`. */
  readonly title: string;
  readonly run: readonly string[] | string;
  /** The command's own variables, without those inherited from a worker, secrets and paths. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables for files beside `run.sh`: name to file name. */
  readonly places: Readonly<Record<string, string>>;
  /** Name to reference (`env:NAME`, `file:/path`, `ssm:NAME`, `secretsmanager:NAME`). */
  readonly secrets: Readonly<Record<string, string>>;
  readonly output: 'stdout' | 'file' | 'files';
  /** False: an empty stdin. */
  readonly stdin: boolean;
  /** Seconds until the command's deadline. */
  readonly timeout: number;
}

/** Set while `run.sh` runs in its clean environment. */
const INSIDE = 'BATCHCTL_REPRODUCE';
/** Marks by which a worker finds processes that its commands left; passed on by the caller of `run.sh`. */
const MARKS = ['BATCHCTL_WORKER_ID', 'BATCHCTL_ATTEMPT'] as const;

/** The file of variables read by `run.sh`: shell assignments, one per line; a value may contain newlines. */
function envText({ title, env, places, secrets }: ReproducedCommand): string {
  const lines = [`# ${title}: its environment, read by run.sh, where $here is this directory`];
  for (const [name, value] of Object.entries(env)) {
    if (!SHELL_VARIABLES.test(name)) lines.push(`${name}=${shellQuote(value)}`);
  }
  for (const [name, place] of Object.entries(places)) lines.push(`${name}="$here/${place}"`);
  for (const [name, reference] of Object.entries(secrets)) {
    const from = isServiceSecret(reference) ? `its own environment, where ${reference} is to be` : reference;
    lines.push(`# ${name} is a secret: run.sh takes it from ${from}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * A script that runs the command like a worker: with its own environment, working directory `work`, and stdin, stdout
 * and counters beside the script. It prints the exit code to stdout, and exits with it.
 */
function runScript(command: ReproducedCommand): string {
  const { title, output, stdin, timeout, secrets } = command;
  const redirections = `<${stdin ? '"$here/input"' : '/dev/null'}${output === 'stdout' ? ' >"$here/output"' : ''}`;
  return `${[
    '#!/bin/sh',
    `# ${title}, as a worker runs it. Change what is in work/, and run it again:`,
    '# output, counters and the exit code are those of the command.',
    `here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1`,
    '',
    "# From this shell's environment, the command gets only what it would get from a worker's.",
    `if [ -z "\${${INSIDE}-}" ]; then`,
    `  exec /usr/bin/env -i ${INSIDE}=1 ${[...INHERITED, ...inheritedSecrets(secrets)].map(passVariable).join(' ')} \\`,
    `    ${MARKS.map((name) => `${name}="\${${name}-reproduce}"`).join(' ')} /bin/sh "$here/run.sh"`,
    'fi',
    `unset ${INSIDE}`,
    ...Object.entries(secrets).flatMap(([name, reference]) => secretLines(name, reference)),
    ...inheritedSecrets(secrets).map((name) => (name in secrets ? '' : `unset ${name}`)),
    'set -a',
    '. "$here/env"',
    deadline(timeout),
    'set +a',
    '',
    'rm -rf "$here/output" "$here/counters"',
    ...(output === 'files' ? ['mkdir "$here/output" || exit 1'] : []),
    'cd "$here/work" && unset PWD OLDPWD || exit 1',
    `/usr/bin/env ${words(command)} ${redirections}`,
    'code=$?',
    'echo "exit code $code"',
    'exit "$code"',
  ].join('\n')}\n`;
}

/** Names that the shell would not assign are set by env(1), which also avoids its builtins. */
function words(command: ReproducedCommand): string {
  const own = Object.entries(command.env).filter(([name]) => SHELL_VARIABLES.test(name));
  return [...own.map(([name, value]) => `${name}=${shellQuote(value)}`), ...argvOf(command).map(shellQuote)].join(' ');
}

const passVariable = (name: string): string => `\${${name}+${name}="$${name}"}`;

function inheritedSecrets(secrets: ReproducedCommand['secrets']): readonly string[] {
  const names = Object.entries(secrets).flatMap(([name, reference]) =>
    isServiceSecret(reference) ? name : (/^env:(.+)$/.exec(reference)?.[1] ?? []),
  );
  return [...new Set(names)].filter((name) => !INHERITED.some((known) => known === name));
}

/** A secret kept by a service: only its users can read it. */
const isServiceSecret = (reference: string): boolean => !/^(env|file):/.test(reference);

function secretLines(name: string, reference: string): readonly string[] {
  const [, scheme, rest = ''] = /^(env|file):(.*)$/s.exec(reference) ?? [];
  const missing = `echo ${shellQuote(`secret ${name}: can't be read from ${reference}`)} >&2; exit 3`;
  if (scheme === 'env') {
    return [
      `[ -n "\${${rest}+set}" ] || { ${missing}; }`,
      ...(rest === name ? [] : [`${name}="$${rest}"`]),
      `export ${name}`,
    ];
  }
  if (scheme === 'file') {
    // A shell drops all trailing newlines: the x keeps all but the one that a worker also drops.
    return [
      `${name}=$(cat -- ${shellQuote(rest)} && echo x) || { ${missing}; }`,
      `${name}=\${${name}%x}; ${name}=\${${name}%"\n"}; export ${name}`,
    ];
  }
  const told = `secret ${name}: export ${name} first, with the value of ${reference}, or use batchctl reproduce --run`;
  return [`[ -n "\${${name}+set}" ] || { echo ${shellQuote(told)} >&2; exit 3; }`, `export ${name}`];
}

/** ISO-8601 UTC, the given seconds from now, by GNU's date or BSD's. */
function deadline(timeout: number): string {
  const at = `$(($(date +%s) + ${Math.round(timeout)}))`;
  const format = '+%Y-%m-%dT%H:%M:%S.000Z';
  return `BATCHCTL_DEADLINE=$(date -u -d "@${at}" ${format} 2>/dev/null || date -u -r "${at}" ${format})`;
}
