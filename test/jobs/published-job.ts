import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { stdinText } from '../../src/jobs/split/stage-part.ts';
import { recordDigest } from '../../src/jobs/submit/same-job.ts';
import { asciiJson } from '../../src/lib/json.ts';
import { emptyView } from '../../src/model/fold.ts';
import { type JobInput, type JobRecord, stepIndex } from '../../src/model/job.ts';
import { jobKey, outKey, partShardKey, shardOf, stagedPrefix } from '../../src/model/keys.ts';
import { META_KEY, OUTPUT_FORMAT, type OutputFile, type OutputMeta, type OutputTask } from '../../src/model/output.ts';
import { PARTS_PER_SHARD, parsePart, partSize } from '../../src/model/part.ts';
import { type JobView, roundOf } from '../../src/model/view.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';

/** A directory with the embedded profile's platform; both are removed by `end`. */
export interface Place {
  readonly directory: string;
  readonly platform: Platform;
  end(): Promise<void>;
}

export async function openPlace(): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-jobs-'));
  const { flags } = splitGlobalFlags(['--profile', 'local']);
  const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags });
  const platform = await openPlatform(config, { role: 'cli', who: 'me@here' });
  return {
    directory,
    platform,
    end: async () => {
      await platform.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export const STEPS = `
name: claims
input: { from: a.csv, split: { by: file } }
steps:
  - { name: price, run: [cat] }
`;

/** Stores a job as a submission does, with a part for each input. */
export async function putJob(
  platform: Platform,
  inputs: readonly (Pick<JobInput, 'name'> & Partial<JobInput>)[],
  options: { readonly yaml?: string; readonly job?: string; readonly parts?: number } = {},
): Promise<JobView> {
  const job = options.job ?? 'claims-20261130-0600-abcde';
  const spec = parseJobFile(options.yaml ?? STEPS, { file: 'job.yaml' });
  const parts = options.parts ?? inputs.length;
  const accepted: Pick<JobRecord, 'spec' | 'code' | 'inputs'> = {
    spec,
    code: null,
    inputs: inputs.map((input) => ({
      size: 1,
      source: { kind: 'store', key: `data/${input.name}`, etag: '"accepted"' },
      checksum: null,
      records: null,
      compression: null,
      ...input,
    })),
  };
  const record: JobRecord = {
    format: 1,
    job,
    ...accepted,
    runKey: null,
    runNumber: null,
    period: null,
    parts,
    records: null,
    digest: recordDigest(accepted),
    createdAt: '2026-11-30T06:00:00.000Z',
    createdBy: 'me@here',
    host: 'here',
    version: '0.2.0',
    notBefore: null,
  };
  const lines = Array.from({ length: parts }, (_, n) =>
    JSON.stringify({ n, kind: 'whole', input: Math.min(n, inputs.length - 1) }),
  );
  if (parts > 0) await platform.store.put(partShardKey(job, 0), `${lines.join('\n')}\n`);
  await platform.store.put(jobKey(job), JSON.stringify(record));
  return emptyView(record);
}

const sha256 = (bytes: string | Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** The id of the attempt that made a task's output. */
export const attemptOf = (step: string, task: number): string => sha256(`${step}/${task}`).slice(-16);

/** An output's metadata. */
export function metaWith(of: OutputTask, bytesOut: number, checksum: string, round = 0): OutputMeta {
  return {
    format: OUTPUT_FORMAT,
    ...of,
    attempt: attemptOf(of.step, of.task),
    number: 1,
    round,
    worker: 'w-1',
    startedAt: '2026-11-30T06:00:00.000Z',
    endedAt: '2026-11-30T06:00:01.000Z',
    seconds: 1,
    cpuSeconds: null,
    peakMemory: null,
    bytesIn: 1,
    bytesOut,
    checksum,
    counters: {},
    code: null,
  };
}

/** Publishes one small output of a task as a worker does; `checksum` replaces the right one. */
export async function publishSmall(
  { platform, view }: { readonly platform: Platform; readonly view: JobView },
  step: string,
  task: number,
  text: string,
  checksum = sha256(text),
): Promise<void> {
  const { job } = view.record;
  const index = stepIndex(view.record.spec, step);
  const meta = metaWith({ job, step, task }, Buffer.byteLength(text), checksum, roundOf(view, index, task));
  const bytesIn = index === 0 ? await partBytes(platform, view, task) : meta.bytesIn;
  const metadata = { [META_KEY]: asciiJson({ ...meta, bytesIn }) };
  await platform.store.put(outKey(job, step, task), text, { ifAbsent: true, metadata });
}

/** By shard: the bytes that the tasks of its parts get. */
const shards = new Map<string, readonly number[]>();

/** The bytes that the task of a part gets; 1 if there is no such part. */
async function partBytes({ store }: Platform, { record }: JobView, task: number): Promise<number> {
  const key = partShardKey(record.job, shardOf(task));
  let sizes = shards.get(key);
  if (sizes === undefined) {
    const lines = new TextDecoder().decode((await store.read(key)) ?? new Uint8Array()).split('\n');
    const parts = lines.flatMap((line) => parsePart(line) ?? []);
    sizes = parts.map((part) => Buffer.byteLength(stdinText(part) ?? '') || partSize(part, record.inputs));
    shards.set(key, sizes);
  }
  return sizes[task % PARTS_PER_SHARD] ?? 1;
}

/** Publishes a manifest: of one large output (named ''), or of many files. `forge` changes the entry of a file. */
export async function publishManifest(
  { platform, view }: { readonly platform: Platform; readonly view: JobView },
  step: string,
  task: number,
  contents: Readonly<Record<string, Uint8Array | string>>,
  {
    forge = (file) => file,
    attempt = attemptOf(step, task),
  }: { forge?: (file: OutputFile) => OutputFile; attempt?: string } = {},
): Promise<readonly OutputFile[]> {
  const { job } = view.record;
  const of = { job, step, task };
  const files: OutputFile[] = [];
  for (const [name, bytes] of Object.entries(contents)) {
    const key = `${stagedPrefix(job, step, task, attempt)}${name === '' ? 'output' : `files/${name}`}`;
    await platform.store.put(key, bytes);
    files.push(forge({ name, key, size: Buffer.byteLength(bytes), checksum: sha256(bytes) }));
  }
  const single = '' in contents;
  const lines = files.map(({ checksum, size, name }) => `${checksum} ${size} ${name}\n`).join('');
  const bytesOut = files.reduce((sum, { size }) => sum + size, 0);
  const meta = { ...metaWith(of, bytesOut, single ? (files[0]?.checksum ?? '') : sha256(lines)), attempt };
  const metadata = { [META_KEY]: asciiJson({ format: OUTPUT_FORMAT, ...of, attempt, manifest: true }) };
  const manifest = JSON.stringify({ format: OUTPUT_FORMAT, meta, single, files });
  await platform.store.put(outKey(job, step, task), manifest, { ifAbsent: true, metadata });
  return files;
}
