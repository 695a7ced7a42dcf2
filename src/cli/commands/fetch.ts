import { BatchctlError } from '../../errors.ts';
import { type FetchTarget, hasNames } from '../../jobs/fetch/target.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { formatSize } from '../../lib/units.ts';
import type { Join } from '../../model/job.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { JobView } from '../../model/view.ts';
import { deliverJob } from '../../verbs/deliver.ts';
import { warnOfDamage } from '../../verbs/job.ts';
import { type CommandDefinition, choice, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatMany } from '../format.ts';
import { startProgress } from '../progress.ts';
import { answer, print } from '../render.ts';

/** Shared by `fetch` and `run`. */
export const JOIN_FLAG = choice(
  'how to join outputs: lines adds a line end to text that lacks one, bytes adds nothing (default: as the input was split)',
  ['lines', 'bytes'],
);

export function fetchCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: {
      '--step <step>': 'outputs of this step (default: the last step)',
      '-o, --output <target>':
        'DIR/ (or an existing directory) or s3://BUCKET/PREFIX/: one file per task; FILE, - or s3://BUCKET/KEY: joined in task order',
      '--name <pattern>':
        'how to name files in DIR/ or below PREFIX/: {task}, {input} (its base name), {step}, {job}, {name}',
      '--header <which>': choice('once: keep the first line of the first output only; all outputs must begin with it', [
        'once',
      ]),
      '--join <how>': JOIN_FLAG,
    },
    writes: false,
    output: {
      type: 'object',
      required: ['job', 'step', 'outputs', 'missing', 'bytes', 'output', 'kept'],
      properties: {
        job: { type: 'string' },
        step: { type: 'string' },
        outputs: { type: 'integer', description: 'outputs now at the target' },
        missing: { type: 'integer', description: 'tasks of the step without an output (so far)' },
        bytes: { type: 'integer' },
        output: { type: 'string', description: 'the target, as given' },
        kept: { type: 'integer', description: 'outputs whose files already existed with the right checksum' },
      },
    },
    help: {
      about:
        'Each output is compared with the checksum recorded when it was published. Files appear complete or not at all. Correct existing files are kept, so the same command resumes an interrupted fetch. Files in DIR/ are named {task} (nine digits), or {step} after a gather; those of a step with `output: files` are named {task}/{name}. An unfinished job yields the outputs it has so far. Without -o, a step with a single output is written to stdout. If store and target are both in S3, S3 copies the objects below s3://BUCKET/PREFIX/ and compares size and entity tag without reading bytes (`verify --deep` does read them); then _manifest.json (job, step, and size and checksum of each file) is written, and finally _SUCCESS. Outputs joined into s3://BUCKET/KEY pass through this machine (with --header once, through a file in TMPDIR), and an interrupted upload is resumed. A prefix with outputs of another job or step is refused without --yes. With --join lines, a text output without a final line end gets one before the next output, so that no two records share a line; --join bytes adds nothing. The default is lines for input split into lines, csv or jsonl, and with --header once; otherwise bytes. --header once drops a first line only if it equals that of the first output; if it differs, or the outputs are not text, the join is refused. Anything written to stdout before an altered output or a different first line was found stays written.',
      examples: [
        'batchctl fetch last -o results/',
        'batchctl fetch key:month-end-2026-11 --step price -o priced.csv --header once',
        'batchctl fetch -o results/ --name {input}',
        'batchctl fetch key:month-end-2026-11 -o s3://acme-reports/claims/2026-11/ --name totals-{task}.csv',
      ],
      exitCodes: [
        [0, 'fetched; stderr says how many outputs are missing'],
        [4, 'no such job or step, or no output so far'],
        [3, 'no credentials for the bucket, or access was denied'],
        [7, "the target can't be written or holds another job's outputs, or the outputs have no common header"],
        [9, 'an output was altered after it was published'],
      ],
      related: ['run', 'status', 'verify'],
    },
    run: (input) => fetchVerb({ ctx, ...input }),
  });
}

export interface FetchVerbOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly step: string | undefined;
  readonly output: string | undefined;
  readonly name: string | undefined;
  readonly header: 'once' | undefined;
  readonly join: Join | undefined;
}

/** Fetches a step's outputs. Throws `usage` for conflicting flags, and otherwise as `fetchOutputs` does. */
export async function fetchVerb({ ctx, job, step, output, name, header, join }: FetchVerbOptions): Promise<void> {
  if (ctx.attachments !== null && !isS3Uri(output ?? '')) {
    throw new BatchctlError(
      'usage',
      '-o: expected s3://BUCKET/PREFIX/ or s3://BUCKET/KEY, as a manager writes no files',
      {
        hint: 'use GET /api/v1/objects to get the outputs themselves',
      },
    );
  }
  const [{ findJobToShow }, { fetchOutputs, missingLine }] = await Promise.all([
    import('../../jobs/find.ts'),
    import('../../jobs/fetch/fetch.ts'),
  ]);
  const platform = await ctx.platform();
  const view = await findJobToShow(platform, job);
  await warnOfDamage(ctx, view);
  if (job === undefined || job === 'last') ctx.notice(`job ${view.record.job}`);
  const target = await targetOf(ctx, view, step, output);
  checkFlags(ctx, target, { name, header, join });
  // On a terminal, the outputs and a spinner would overwrite each other.
  const hidden = target.kind === 'stream' && ctx.io.stdout.isTTY === true;
  const progress = hidden ? null : await startProgress(ctx, 'fetching', 'bytes');
  try {
    const result = await fetchOutputs(platform, view, {
      step,
      target,
      header: header ?? null,
      join,
      name,
      replace: ctx.flags.yes,
      passed: killPoints(ctx.io.env),
      signal: ctx.signal,
      onProgress: ({ bytes }) => progress?.update(bytes, null),
    });
    const kept = result.kept === 0 ? '' : `, ${formatCount(result.kept)} of them kept as they were`;
    const line = `fetched ${formatMany(result.outputs, 'output')} of ${result.step} (${formatSize(result.bytes)}) to ${result.output}${kept}`;
    progress?.done(target.kind === 'stream' ? line : undefined);
    const missing = missingLine(view, result);
    if (missing !== null) ctx.warn(missing);
    // Entries after a gap in the journal may say that the job was delivered, or must not be.
    if (view.hole === null) await deliverJob(ctx, view);
    if (target.kind !== 'stream') await answer(ctx, { json: result, text: line });
  } catch (error) {
    progress?.failed();
    throw error;
  }
}

/** The target of `-o`, or stdout for a step with one output. */
async function targetOf(
  ctx: Context,
  view: JobView,
  step: string | undefined,
  output: string | undefined,
): Promise<FetchTarget> {
  const { parseTarget } = await import('../../jobs/fetch/target.ts');
  const place = { cwd: ctx.io.cwd, write: (bytes: Uint8Array) => print(ctx, bytes) };
  if (output !== undefined) return parseTarget(output, place);
  const [{ chooseStep }, { isOneOutput }] = await Promise.all([
    import('../../jobs/fetch/names.ts'),
    import('../../jobs/fetch/fetch.ts'),
  ]);
  const chosen = chooseStep(view, step);
  if (isOneOutput(chosen)) return parseTarget('-', place);
  throw new BatchctlError('usage', `-o is required: step ${chosen.step.name} has ${formatMany(chosen.total, 'task')}`, {
    hint: `use batchctl fetch ${view.record.job} -o results/ for one file per task, or -o FILE or -o - to join them`,
  });
}

function checkFlags(
  ctx: Context,
  target: FetchTarget,
  { name, header, join }: Pick<FetchVerbOptions, 'name' | 'header' | 'join'>,
): void {
  if (target.kind === 'stream' && ctx.flags.json) {
    throw new BatchctlError('usage', 'stdout can carry either the outputs or the --json answer', {
      hint: 'use -o DIR/ or -o FILE, or omit --json',
    });
  }
  if (hasNames(target) && (header ?? join) !== undefined) {
    const flag = header === undefined ? `--join ${join}` : `--header ${header}`;
    throw new BatchctlError('usage', `${flag} is for joined outputs, but ${target.text} gets one file per task`, {
      hint: 'use -o FILE or -o -',
    });
  }
  if (!hasNames(target) && name !== undefined) {
    throw new BatchctlError('usage', `--name is for files in a directory, but ${target.text} is not a directory`, {
      hint: 'use -o DIR/',
    });
  }
}
