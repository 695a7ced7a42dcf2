import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Programs, Ran } from './programs.ts';
import type { RawJob, RawStep } from './raw-job.ts';

interface Accepted {
  /** The attempt that it names as its own. */
  readonly attempt: string;
  /** By name of the file, '' for a single one. */
  readonly files: Readonly<Record<string, string>>;
}

/** What is wrong with a job's outputs: each must be what one attempt of its task wrote, made from what it had to be made from. */
export async function wrongOutputs(store: ObjectStore, raw: RawJob, programs: Programs): Promise<readonly string[]> {
  const wrong: string[] = [];
  const accepted: Map<number, Accepted>[] = [];
  for (const [index, step] of raw.steps.entries()) {
    const outputs = new Map<number, Accepted>();
    accepted.push(outputs);
    for (const task of step.out) {
      const output = await readAccepted(store, raw, step.name, task);
      outputs.set(task, output);
      const name = `${step.name}/${task}`;
      const ran = programs.ran.find((one) => one.attempt === output.attempt);
      if (ran === undefined || `${ran.step}/${ran.task}` !== name || ran.code !== 0) {
        wrong.push(`${name} is published by ${output.attempt}, which never made it`);
      } else wrong.push(...compared(name, output, ran, stdinOf(raw.steps, index, task, accepted)));
    }
  }
  return wrong;
}

function compared(name: string, { files }: Accepted, { wrote, stdin, attempt }: Ran, due: string): readonly string[] {
  const wrong: string[] = [];
  if (JSON.stringify(files) !== JSON.stringify(sorted(wrote)))
    wrong.push(`${name} is ${JSON.stringify(files)}; ${attempt} wrote ${JSON.stringify(wrote)}`);
  if (stdin !== due) wrong.push(`${name} was made from ${JSON.stringify(stdin)}, not from ${JSON.stringify(due)}`);
  return wrong;
}

function stdinOf(
  steps: readonly RawStep[],
  index: number,
  task: number,
  accepted: readonly ReadonlyMap<number, Accepted>[],
): string {
  const step = steps[index];
  const before = accepted[index - 1];
  if (before === undefined) return `${task + 1}\n`;
  if (!step?.barrier) return before.get(task)?.files[''] ?? 'nothing';
  const taken = [...before].filter(([n]) => step.opened?.leftOut.has(n) !== true).sort(([a], [b]) => a - b);
  const files = taken.flatMap(([, output]) => Object.values(output.files));
  return step.gather ? files.join('') : (files[task] ?? 'nothing');
}

async function readAccepted(store: ObjectStore, raw: RawJob, step: string, task: number): Promise<Accepted> {
  const key = `jobs/${raw.record.job}/steps/${step}/out/${String(task).padStart(9, '0')}`;
  const info = await store.head(key);
  const bytes = Buffer.from((await store.read(key)) ?? []).toString();
  const meta = JSON.parse(info?.metadata.batchctl ?? '{}') as { attempt: string; manifest?: boolean };
  if (meta.manifest !== true) return { attempt: meta.attempt, files: { '': bytes } };
  const manifest = JSON.parse(bytes) as { files: { name: string; key: string }[] };
  const files: Record<string, string> = {};
  for (const file of manifest.files) files[file.name] = Buffer.from((await store.read(file.key)) ?? []).toString();
  return { attempt: meta.attempt, files: sorted(files) };
}

function sorted(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
}
