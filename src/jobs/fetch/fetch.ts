import { BatchctlError } from '../../errors.ts';
import type { FetchAnswer, FetchedEnds } from '../../model/answers/data.ts';
import { standingOf } from '../../model/decide.ts';
import { type Join, joinOf, orderOf, sectionStart } from '../../model/job.ts';
import { type TaskBits, tasksIn } from '../../model/task-set.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { listFacts } from '../listing.ts';
import { BucketPlace } from './bucket-place.ts';
import { fetchIntoDirectory } from './directory-place.ts';
import { fillPlace, type OnPlacePoint } from './fill-place.ts';
import { headerQuote } from './header.ts';
import { type JoinOptions, joinIntoFile, joinIntoObject, joinOutputs } from './join.ts';
import { type ChosenStep, checkDistinct, chooseStep, fileNamer, publishedTasks } from './names.ts';
import { MARKER, type PlaceManifest } from './place.ts';
import type { FetchTarget } from './target.ts';
import { type FetchProgress, outputSource, Tally } from './verified.ts';

export interface FetchOptions {
  /** The step to fetch; default: the last one. */
  readonly step?: string | undefined;
  readonly target: FetchTarget;
  /** `once`: joined outputs keep only the first header line. */
  readonly header: 'once' | null;
  /** Whether outputs are joined as lines or bytes; null or absent: in the way the input was split. */
  readonly join?: Join | null | undefined;
  /** Pattern for file names in a directory: see `fileNamer`. */
  readonly name?: string | undefined;
  /** True: outputs of another job in the same bucket prefix may be replaced. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
  /** For crash tests. */
  readonly passed?: OnPlacePoint;
  /** Called as outputs are written. */
  readonly onProgress?: (progress: FetchProgress) => void;
}

/**
 * Fetches a step's published outputs and compares each with its published checksum. Memory use does not grow with the
 * job. For an unfinished job, fetches the outputs so far. Throws `notFound` if there is no output, `usage` if names
 * would collide, `proof` (naming the task) for an altered output, `refused` if the target can't be written or an output
 * doesn't begin with the header that is kept once.
 */
export async function fetchOutputs(platform: Platform, view: JobView, options: FetchOptions): Promise<FetchAnswer> {
  const { target, header, signal } = options;
  const chosen = chooseStep(view, options.step);
  const { job } = view.record;
  const { nameOf, pattern, distinct } = fileNamer(platform.store, view, chosen, options.name);
  const tasks = await publishedTasks(platform.store, view, chosen);
  const tally = new Tally(tasks.count, options.onProgress);
  const source = outputSource(platform.store, view, chosen.step.name);
  const join = joinOf(view.record.spec, chosen.index, { header, join: options.join });
  let others: readonly string[] = [];
  let guessed: Join | null = null;
  const onGuess = (guess: Join): void => {
    guessed = guess;
  };
  const quote = headerQuote(view.record.spec);
  const joining: JoinOptions = { source, tasks, header, quote, join, onGuess, tally, signal };
  switch (target.kind) {
    case 'directory': {
      await checkDistinct(pattern, nameOf, tasks);
      others = await fetchIntoDirectory({ ...joining, platform, directory: target.path, nameOf, distinct });
      break;
    }
    case 'bucket': {
      await checkDistinct(pattern, nameOf, tasks);
      const place = new BucketPlace(target.text, await platform.bucket(target.bucket), target.prefix, source);
      await fillPlace({
        ...joining,
        place,
        nameOf,
        distinct,
        marker: MARKER,
        passed: options.passed,
        of: manifestHead(view, chosen.step.name),
        mayReplaceOthers: options.replace === true,
        mayReplace: (standing) => (options.replace === true ? null : refuseOther(target.text, standing)),
      });
      break;
    }
    case 'object':
      await joinIntoObject(joining, await platform.bucket(target.bucket), target.key);
      break;
    case 'file':
      await joinIntoFile(joining, target.path);
      break;
    case 'stream':
      await joinOutputs(joining, target.write);
      break;
    default:
      target satisfies never;
  }
  const { bytes, kept } = tally.now;
  const ends = await fetchedEnds(platform, view, chosen, tasks);
  return { job, ...ends, bytes, output: target.text, guessed, kept, others };
}

/** How the tasks of a step ended, of which these have outputs. */
export async function fetchedEnds(
  platform: Pick<Platform, 'store'>,
  view: JobView,
  { index, step, total }: ChosenStep,
  tasks: TaskBits,
): Promise<FetchedEnds> {
  const missing = total - tasks.count;
  const ends = missing === 0 ? NONE : await endsBefore(platform, view, index);
  return { step: step.name, outputs: tasks.count, missing, ...ends, late: countLate(view, index, tasks) };
}

const NONE = { failed: 0, skipped: 0 };

/** How many chains failed for good, or were skipped, at a step or before it in its section. */
async function endsBefore({ store }: Pick<Platform, 'store'>, view: JobView, index: number): Promise<typeof NONE> {
  const { steps } = standingOf(view, await listFacts(store, view));
  const until = steps.slice(sectionStart(view.record.spec.steps, index), index + 1);
  return {
    failed: until.reduce((sum, { failed }) => sum + failed, 0),
    skipped: until.reduce((sum, { skipped }) => sum + skipped, 0),
  };
}

/** How many of a step's outputs the next step had opened without. */
function countLate(view: JobView, index: number, tasks: TaskBits): number {
  let late = 0;
  for (const task of tasksIn(view.opened.get(index + 1)?.leftOut ?? '')) if (tasks.has(task)) late += 1;
  return late;
}

export function manifestHead({ record, round, delivery, next }: JobView, step: string) {
  const { job, spec } = record;
  return { job, name: spec.name, step, round, close: delivery?.after ?? next, createdAt: orderOf(record) };
}

function refuseOther(place: string, { job, step }: PlaceManifest): BatchctlError {
  return new BatchctlError('refused', `${place} contains the outputs of ${step} of job ${job}`, {
    hint: 'choose another target; or use --yes to replace them, and to remove files that this job does not have',
  });
}

/** One line about entries of the directory that are not outputs; null if there are none. */
export function othersLine({ output, others: [first], step }: FetchAnswer): string | null {
  if (first === undefined) return null;
  return `${output} also contains entries that are not outputs of ${step}, such as ${first}; an earlier fetch may have left them`;
}

/** One line about how outputs without a final line end were joined, if nothing but a guess decided it; else null. */
export function guessedLine({ guessed, step }: Pick<FetchAnswer, 'guessed' | 'step'>): string | null {
  if (guessed === null) return null;
  return guessed === 'lines'
    ? `outputs of ${step} without a final line end got one, as they look like text; --join bytes adds nothing`
    : `the outputs of ${step} were joined unchanged, as they do not look like text; --join lines adds line ends`;
}

/** Whether the step has one task with one output, which may go to stdout by default. */
export function hasSingleOutput({ total, step }: ChosenStep): boolean {
  return total === 1 && step.output !== 'files';
}
