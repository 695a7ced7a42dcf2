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
import { answer, print } from '../render.ts';
import { startProgress } from '../render-progress.ts';

/** Of `fetch` and of `run`. */
export const JOIN_FLAG = choice(
  'joined outputs: lines puts a line end behind text that lacks one, bytes nothing (default: as the input was split)',
  ['lines', 'bytes'],
);

export function fetchCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: {
      '--step <step>': 'the outputs of this step; of the last one unless given',
      '-o, --output <target>':
        'DIR/ (or a directory that exists) or s3://BUCKET/PREFIX/: one file a task; FILE, - or s3://BUCKET/KEY: joined in task order',
      '--name <pattern>':
        'how files in DIR/, or below PREFIX/, are named: {task}, {input} (its base name), {step}, {job}, {name}',
      '--header <which>': choice(
        'once: of the joined outputs only the first keeps its first line, with which all must begin',
        ['once'],
      ),
      '--join <how>': JOIN_FLAG,
    },
    writes: false,
    output: {
      type: 'object',
      required: ['job', 'step', 'outputs', 'missing', 'bytes', 'output', 'kept'],
      properties: {
        job: { type: 'string' },
        step: { type: 'string' },
        outputs: { type: 'integer', description: 'outputs that are at the target now' },
        missing: { type: 'integer', description: 'tasks of the step that have no output (yet)' },
        bytes: { type: 'integer' },
        output: { type: 'string', description: 'the target, as given' },
        kept: { type: 'integer', description: 'outputs whose files were there already, with the right checksum' },
      },
    },
    help: {
      about:
        'Each output is compared with the checksum that it was published with. Files appear whole or not at all; those that are there and right are kept, so an interrupted fetch is taken up by the same command. In DIR/ files are named {task} (nine digits), after a gather {step}; the files of a step with `output: files` lie below, as {task}/{name}. Of a job that is not finished it fetches what there is. Without -o a step with one output is written to stdout. Below s3://BUCKET/PREFIX/ objects of a store in S3 are copied by S3 itself, which compares their size and entity tag and reads no byte (`verify --deep` does); then come _manifest.json (job, step, each file with size and checksum) and, last, _SUCCESS. Joined into s3://BUCKET/KEY they pass through here (with --header once through a file in TMPDIR), and a broken off upload is taken up. A prefix that holds the outputs of another job, or of another step, is refused without --yes. By --join lines, an output that is text and does not end in a line end gets one before the next, so that no two records share a line; --join bytes adds nothing. Lines are the default for an input that was split into lines, csv or jsonl, and with --header once; bytes are it for any other. --header once drops a first line only where it is that of the first output; where it is another one, or outputs are no text, the join is refused. What went to stdout before an altered output or another first line was found is not taken back.',
      examples: [
        'batchctl fetch last -o results/',
        'batchctl fetch key:month-end-2026-11 --step price -o priced.csv --header once',
        'batchctl fetch -o results/ --name {input}',
        'batchctl fetch key:month-end-2026-11 -o s3://acme-reports/claims/2026-11/ --name totals-{task}.csv',
      ],
      exitCodes: [
        [0, 'fetched; stderr says how many outputs are missing'],
        [4, 'no such job or step, or no output yet'],
        [3, 'no credentials for the bucket, or it is denied'],
        [
          7,
          "the target can't be written, or holds another job's outputs; or outputs have no common header to keep once",
        ],
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

/** Fetches a step's outputs. Throws `usage` for flags that don't go together, else as `fetchOutputs` does. */
export async function fetchVerb({ ctx, job, step, output, name, header, join }: FetchVerbOptions): Promise<void> {
  if (ctx.attachments !== null && !isS3Uri(output ?? '')) {
    throw new BatchctlError(
      'usage',
      '-o: expected s3://BUCKET/PREFIX/ or s3://BUCKET/KEY, as a manager writes no files',
      {
        hint: 'GET /api/v1/objects answers the outputs themselves',
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
  // On one terminal the outputs and a spinner would write over each other.
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
    // What lies behind a hole may say that it was delivered, or is no longer to be.
    if (view.hole === null) await deliverJob(ctx, view);
    if (target.kind !== 'stream') await answer(ctx, { json: result, text: line });
  } catch (error) {
    progress?.failed();
    throw error;
  }
}

/** What `-o` says; without it stdout, for a step that has one output. */
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
    import('../../jobs/fetch/choose.ts'),
    import('../../jobs/fetch/fetch.ts'),
  ]);
  const chosen = chooseStep(view, step);
  if (isOneOutput(chosen)) return parseTarget('-', place);
  throw new BatchctlError('usage', `-o is missing: step ${chosen.step.name} has ${formatMany(chosen.total, 'task')}`, {
    hint: `batchctl fetch ${view.record.job} -o results/ for one file a task, -o FILE or -o - for all joined`,
  });
}

function checkFlags(
  ctx: Context,
  target: FetchTarget,
  { name, header, join }: Pick<FetchVerbOptions, 'name' | 'header' | 'join'>,
): void {
  if (target.kind === 'stream' && ctx.flags.json) {
    throw new BatchctlError('usage', 'stdout can be the outputs or the --json answer, not both', {
      hint: 'give -o DIR/ or -o FILE, or leave --json out',
    });
  }
  if (hasNames(target) && (header ?? join) !== undefined) {
    const flag = header === undefined ? `--join ${join}` : `--header ${header}`;
    throw new BatchctlError('usage', `${flag} is for joined outputs, and ${target.text} takes a file a task`, {
      hint: 'give -o FILE or -o -',
    });
  }
  if (!hasNames(target) && name !== undefined) {
    throw new BatchctlError('usage', `--name is for files in a directory, and ${target.text} is none`, {
      hint: 'give -o DIR/',
    });
  }
}
