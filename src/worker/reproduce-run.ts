import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomId } from '../lib/id.ts';
import { parseStored } from '../lib/json.ts';
import { readFileEnd } from '../lib/read-file.ts';
import { causeText, type Failure, type FailureRecord } from '../model/failure.ts';
import { failedKey, outKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { readTries } from './admit.ts';
import type { Runnable } from './admitted-task.ts';
import type { Command, CommandEnd, Executor } from './executor.ts';
import { failureOf, failureOfError } from './outcome.ts';
import { type ReproducedTask, refuseReproducedNoOutput } from './reproduce.ts';
import { maskSecrets, type SecretReader, type Secrets } from './secrets.ts';
import { createShellExecutor } from './shell-executor.ts';
import { lastLine, STDERR_KEPT } from './stderr.ts';

export interface ReproducedRun {
  readonly end: CommandEnd;
  /** Null: it succeeded. */
  readonly failure: Failure | null;
  /** The last lines of stderr, with secrets masked; the rest is in `stderr`. */
  readonly tail: readonly string[];
}

const GRACE_MS = 10_000;
const TAIL_BYTES = 4_096;
const TAIL_LINES = 10;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Runs a reproduced task's `run.sh` like a worker: with the step's timeout and stall limit; its process group is ended
 * when the signal aborts or this process dies. Throws `config` for a secret that can't be read here.
 */
export async function runReproduced(
  reproduced: ReproducedTask,
  reader: SecretReader,
  signal: AbortSignal,
): Promise<ReproducedRun> {
  const { directory } = reproduced;
  const secrets = await reader.read(reproduced.secrets, signal);
  const scratch = mkdtempSync(join(tmpdir(), 'batchctl-reproduce-'));
  const worker = `reproduce-${randomId(10)}`;
  const executor = createShellExecutor({ slots: 1, worker, directory: scratch });
  const stderr = join(directory, 'stderr');
  try {
    const files = { stdout: join(scratch, 'said'), stderr };
    // Strays are found by the attempt's name: another run at the same time is none.
    const end = await execute(executor, reproduced, secrets, { attempt: worker, ...files, signal });
    signal.throwIfAborted();
    const failed = end.how !== 'exit' || end.code !== 0;
    return {
      end,
      failure: failed ? failureOf(end, lastLine(stderr, secrets)) : noOutputFailure(reproduced),
      tail: tailOf(stderr).map((line) => maskSecrets(line, secrets)),
    };
  } finally {
    await executor.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function execute(
  executor: Executor,
  { directory, task: { step }, secrets: references }: ReproducedTask,
  secrets: Secrets,
  { signal, ...run }: Pick<Command, 'attempt' | 'stdout' | 'stderr'> & { readonly signal: AbortSignal },
): Promise<CommandEnd> {
  const inherited = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && VARIABLE.test(name) && !name.startsWith('BATCHCTL_REPRODUCE') ? [[name, value]] : [],
  );
  // run.sh takes secrets of services from its own environment.
  const kept = Object.entries(secrets).filter(([name]) => !/^(env|file):/.test(references[name] ?? ''));
  const command = {
    ...run,
    run: ['/bin/sh', join(directory, 'run.sh')],
    cwd: directory,
    stdin: null,
    env: Object.fromEntries([...inherited, ...kept]) as Record<string, string>,
    outputs: [join(directory, 'output')],
    timeoutMs: step.timeout * 1_000,
    stallMs: step.stall === null ? null : step.stall * 1_000,
    graceMs: GRACE_MS,
    stderrLimit: STDERR_KEPT,
  };
  return executor.run(0, command, signal);
}

function noOutputFailure(reproduced: ReproducedTask): Failure | null {
  try {
    refuseReproducedNoOutput(reproduced);
    return null;
  } catch (error) {
    const failure = failureOfError(error);
    if (failure === null) throw error;
    return failure;
  }
}

function tailOf(path: string): readonly string[] {
  const { size, bytes } = readFileEnd(path, TAIL_BYTES);
  if (size === 0) return [];
  const lines = bytes.toString('utf8').trimEnd().split('\n');
  return (size > bytes.length && lines.length > 1 ? lines.slice(1) : lines).slice(-TAIL_LINES);
}

/** The record of a task: published, a failure (for good, or of the last attempt so far), or nothing yet. */
export type TaskRecord =
  | { readonly state: 'done' }
  | { readonly state: 'failed' | 'failedAttempt'; readonly failure: Failure }
  | { readonly state: 'none' };

/** Reads the record of a task in the round that last included it. Throws `newer`, `corrupt`. */
export async function readTaskRecord(store: ObjectStore, { message }: Pick<Runnable, 'message'>): Promise<TaskRecord> {
  const { job, step, task, round } = message;
  if ((await store.head(outKey(job, step, task))) !== null) return { state: 'done' };
  const key = failedKey(job, step, task, round);
  const failed = await store.read(key);
  if (failed !== null) return { state: 'failed', failure: parseStored<FailureRecord>(key, failed) };
  const last = (await readTries(store, message)).tries.at(-1);
  return last === undefined ? { state: 'none' } : { state: 'failedAttempt', failure: last };
}

/**
 * Whether a task ended here (null: successfully) as recorded: with the same cause, or also successfully; null if
 * nothing is recorded. With a shell in between, a signal shows only as its exit code.
 */
export function matchesRecord(step: string, recorded: TaskRecord, failure: Failure | null): boolean | null {
  if (recorded.state === 'none') return null;
  if (recorded.state === 'done' || failure === null) return (recorded.state === 'done') === (failure === null);
  const expected = recorded.failure;
  // A command ended by its timeout may exit with any code.
  if (expected.reason === 'timeout' || expected.reason === 'stall') return failure.reason === expected.reason;
  const bySignal = expected.reason === 'signal' || expected.reason === 'memory';
  if (bySignal && failure.exitCode === expected.exitCode) return true;
  return causeText({ step, ...expected }) === causeText({ step, ...failure });
}
