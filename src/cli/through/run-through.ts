import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import type { JobStatus } from '../../jobs/status.ts';
import type { JobSpec, Join } from '../../model/job.ts';
import { isS3Uri } from '../../model/s3-uri.ts';
import type { AttachedRun } from '../../ports/verbs.ts';
import { takeUpCommand } from '../after-job.ts';
import { inlineJob } from '../open-job-file.ts';
import { answer, print } from '../render.ts';
import { statusText } from '../status-text.ts';
import type { SubmissionInput } from '../submission-flags.ts';
import { attachSubmission, type OwnJob } from './attach-job.ts';
import { attachPlan } from './attach-plan.ts';
import { jobIdBehind } from './call-verb.ts';
import { followedEnd } from './followed-end.ts';
import { natureOf } from './natures.ts';
import { openOwnJob } from './own-job.ts';
import { type Asking, errorOf, runVerb, sendingOf, sendVerb } from './send-verb.ts';
import { submitted } from './submit-through.ts';

interface RunInput extends SubmissionInput {
  readonly jobfile: string | undefined;
  readonly rest: readonly string[] | null;
  readonly here: boolean;
  readonly output: string | undefined;
  readonly header: 'once' | undefined;
  readonly join: Join | undefined;
  readonly split: string | undefined;
  readonly gather: string | undefined;
  readonly saveJob: string | undefined;
}

/** `run`: submits, lets the manager follow, verify and deliver the job, and fetches its outputs here. */
export async function runThrough(asking: Asking): Promise<number> {
  const { given } = asking;
  const input = asking.input as unknown as RunInput;
  if (input.here || given.slots !== undefined) {
    const flag = input.here ? '--here' : '--slots';
    throw new BatchctlError('usage', `${flag} works on a job from this machine, which can't reach a manager's queue`, {
      hint: 'omit it; batchctl scale N starts workers at the manager',
    });
  }
  const run = await begin(asking, input);
  return run === null ? 0 : followRun(asking, input, run);
}

interface Begun {
  readonly job: string;
  readonly created: boolean | null;
}

/** The job that is to be followed; null where only a plan was asked for. */
async function begin(asking: Asking, input: RunInput): Promise<Begun | null> {
  const { ctx, manager } = asking;
  const { jobfile, rest } = input;
  if (jobfile !== undefined && rest !== null) {
    throw new BatchctlError('usage', 'a job file and a command after -- are mutually exclusive');
  }
  if (jobfile !== undefined && !existsSync(resolve(ctx.io.cwd, jobfile)) && REFERENCE.test(jobfile)) {
    return { job: await jobIdBehind(ctx, manager, jobfile), created: null };
  }
  const job = await jobOf(asking, input);
  const submitting = submission(asking, job);
  if (ctx.flags.dryRun) {
    await sendVerb(await sendingOf(submitting, await attachPlan(ctx, manager, job, input)));
    return null;
  }
  return submitted(submitting, await attachSubmission(ctx, manager, job, input));
}

/** What names a job that is there, where no file has that name. */
const REFERENCE = /^(key:|name:|last$|[a-z][a-z0-9-]*-\d{8}-\d{4}-)/;

async function jobOf({ ctx }: Asking, input: RunInput): Promise<OwnJob> {
  const { jobfile, rest } = input;
  if (jobfile !== undefined) return openOwnJob(ctx, jobfile);
  if (rest === null || rest.length === 0) {
    throw new BatchctlError('usage', 'expected a job file, or -- and a command', { hint: 'batchctl run --help' });
  }
  const spec: JobSpec = await inlineJob(ctx, { ...input, command: rest });
  return { path: 'the command line', spec, directory: ctx.io.cwd };
}

/** `submit` with those of the flags that it shares. Its keeper is who follows. */
function submission(asking: Asking, { path }: OwnJob): Asking {
  const {
    timeout: _t,
    output: _o,
    header: _h,
    join: _i,
    split: _s,
    gather: _g,
    saveJob: _j,
    rest: _r,
    ...shared
  } = asking.given;
  const given = { ...shared, jobfile: path };
  return { ...asking, given, entry: { ...asking.entry, name: 'submit' } };
}

async function followRun(asking: Asking, input: RunInput, { job, created }: Begun): Promise<number> {
  const { ctx, given } = asking;
  const { output = null, header = null, join = null } = input;
  const run = { created: created === true, output, header, join } satisfies AttachedRun;
  const { timeout, scale } = given;
  const following = { jobfile: job, ...(timeout !== undefined && { timeout }), ...(scale === false && { scale }) };
  const sending = await sendingOf({ ...asking, given: following }, { jobFile: null, inputs: [], run });
  let said = '';
  const { exitCode, error } = await runVerb({
    ...sending,
    ...followedEnd('run', job, following, takeUpCommand(job, run)),
    nature: natureOf('run', following),
    asked: { ...sending.asked, flags: { ...sending.asked.flags, json: true } },
    sink: (text) => {
      said += text;
    },
  });
  if (error !== null) throw errorOf(error);
  const status = JSON.parse(said) as JobStatus;
  const fetched = status.state === 'succeeded' && output !== null ? await fetchTo(asking, job, input) : null;
  if (output === '-') return exitCode;
  const text = async (): Promise<string> =>
    `${await statusText(ctx, status)}${fetched === null ? '' : `\n\noutput: ${fetched}`}`;
  await answer(ctx, { json: { ...status, created: created === true, output: fetched }, text });
  return exitCode;
}

async function fetchTo(asking: Asking, job: string, { output = '-', header, join }: RunInput): Promise<string> {
  const { ctx, manager } = asking;
  if (isS3Uri(output)) {
    const how = { ...(header !== undefined && { header }), ...(join !== undefined && { join }) };
    return fetchToBucket(asking, { job, output, ...how });
  }
  const [{ mustReadView }, { fetchOutputs }, { parseTarget }] = await Promise.all([
    import('../../jobs/journal.ts'),
    import('../../jobs/fetch/fetch.ts'),
    import('../../jobs/fetch/target.ts'),
  ]);
  const target = parseTarget(output, { cwd: ctx.io.cwd, write: (bytes) => print(ctx, bytes) });
  const view = await mustReadView(manager.store, job);
  const options = { target, header: header ?? null, join, replace: ctx.flags.yes, signal: ctx.signal };
  return (await fetchOutputs(await ctx.platform(), view, options)).output;
}

/** The manager puts them there. */
async function fetchToBucket(
  asking: Asking,
  given: { readonly job: string; readonly output: string },
): Promise<string> {
  const sending = await sendingOf({ ...asking, given, entry: { ...asking.entry, name: 'fetch' } });
  const { error } = await runVerb({
    ...sending,
    asked: { ...sending.asked, flags: { ...sending.asked.flags, json: true } },
    // Of the answer only what `run` tells of it is wanted.
    sink: () => {},
  });
  if (error !== null) throw errorOf(error);
  return given.output;
}
