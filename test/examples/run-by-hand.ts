import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { evaluateExpect, parseExpect } from '../../src/model/expect.ts';
import type { JobSpec, StepSpec } from '../../src/model/job.ts';
import { substitute } from '../../src/model/substitute.ts';
import { parseCounters } from '../../src/worker/attempt.ts';

/** The result of one command. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly counters: Readonly<Record<string, string>>;
}

/** One task's input: bytes for stdin, and the fields of a list's line. */
export interface HandPart {
  readonly stdin: string | Buffer;
  readonly item?: string;
}

interface JobResult {
  /** Each step's outputs, in task order. */
  readonly outputs: Readonly<Record<string, readonly string[]>>;
  /** The sum of each step's counters. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The control totals that don't hold, with both sides. */
  readonly unmet: readonly string[];
}

/** Runs the command of one step on an input. */
export async function runStep(
  jobFile: string,
  name: string,
  stdin: HandPart['stdin'],
  params: JobSpec['params'] = {},
): Promise<CommandResult> {
  const spec = await loadJobFile(jobFile);
  const step = spec.steps.find((each) => each.name === name);
  if (step === undefined) throw new Error(`${jobFile} has no step ${name}`);
  return runCommand(dirname(jobFile), spec, step, { stdin }, params);
}

/** Runs a whole job without batchctl's engine: every step on every part, gathers joined, control totals evaluated. */
export async function runByHand(
  jobFile: string,
  parts: readonly HandPart[],
  input: Readonly<Record<string, string>>,
  params: JobSpec['params'] = {},
): Promise<JobResult> {
  const spec = await loadJobFile(jobFile);
  const outputs: Record<string, string[]> = {};
  const counters: Record<string, Record<string, string>> = {};
  let current = parts;
  for (const step of spec.steps) {
    if (step.gather) current = [{ stdin: joinParts(current, step.header) }];
    const results = current.map((part) => runCommand(dirname(jobFile), spec, step, part, params));
    const failed = results.find(({ code }) => code !== 0);
    if (failed !== undefined) throw new Error(`${step.name} exited with ${failed.code}: ${failed.stderr}`);
    outputs[step.name] = results.map(({ stdout }) => stdout);
    counters[step.name] = sumCounters(results.map((one) => one.counters));
    current = results.map(({ stdout }) => ({ stdin: stdout }));
  }
  const lookup = (step: string | null, name: string): string | null =>
    (step === 'input' ? input[name] : counters[step ?? '']?.[name]) ?? null;
  const unmet = spec.expect.flatMap((equation) => {
    const { ok, left, right } = evaluateExpect(parseExpect(equation), lookup);
    return ok ? [] : [`${equation}: ${left}, ${right}`];
  });
  return { outputs, counters, unmet };
}

/**
 * Runs one step's command as a worker would: in a fresh directory with the job's files and the documented environment.
 */
function runCommand(
  folder: string,
  spec: JobSpec,
  step: StepSpec,
  part: HandPart,
  params: JobSpec['params'],
): CommandResult {
  const cwd = mkdtempSync(join(tmpdir(), 'batchctl-example-'));
  try {
    for (const file of spec.files) copyFileSync(join(folder, file), join(cwd, file));
    const counters = join(cwd, '..counters');
    const all = { ...spec.params, ...params, ...(part.item === undefined ? {} : { item: part.item }) };
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, ...step.env, BATCHCTL_COUNTERS: counters };
    for (const [name, value] of Object.entries(all)) env[`BATCHCTL_PARAM_${name.toUpperCase()}`] = value;
    const argv =
      typeof step.run === 'string'
        ? ['/bin/sh', '-c', step.run]
        : step.run.map((argument) => substitute(argument, all, { field: 'run', unknown: 'keep' }));
    const [program = '', ...args] = argv;
    // A file, as with workers: a command that never reads would break a pipe (EPIPE).
    const stdin = join(cwd, '..stdin');
    writeFileSync(stdin, part.stdin);
    const fd = openSync(stdin, 'r');
    const end = spawnSync(program, args, {
      cwd,
      env,
      stdio: [fd, 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    closeSync(fd);
    if (end.error !== undefined) throw end.error;
    const text = existsSync(counters) ? readFileSync(counters, 'utf8') : '';
    return { code: end.status, stdout: end.stdout, stderr: end.stderr, counters: parseCounters(text) };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

function joinParts(parts: readonly HandPart[], header: 'once' | null): string {
  const texts = parts.map(({ stdin }) => String(stdin)).filter((text) => text !== '');
  return texts
    .map((text, index) => (header === 'once' && index > 0 ? text.slice(text.indexOf('\n') + 1) : text))
    .join('');
}

function sumCounters(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const lines = all.flatMap((one) => Object.entries(one).map(([name, value]) => `${name} ${value}`));
  return { ...parseCounters(lines.join('\n')) };
}

/** Cuts CSV into parts of this many records, each with the header line. A quoted newline ends no record. */
export function csvParts(
  text: string,
  every: number,
): { readonly parts: readonly HandPart[]; readonly records: number } {
  const records: string[] = [];
  let pending = '';
  for (const line of text.split(/(?<=\n)/)) {
    pending += line;
    if (pending.split('"').length % 2 === 0) continue;
    records.push(pending);
    pending = '';
  }
  const [header = '', ...rows] = records;
  const parts: HandPart[] = [];
  for (let at = 0; at < rows.length; at += every) parts.push({ stdin: header + rows.slice(at, at + every).join('') });
  return { parts, records: rows.length };
}
