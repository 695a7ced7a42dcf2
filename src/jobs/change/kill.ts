import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { standingOf } from '../../model/decide.ts';
import { causeText } from '../../model/failure.ts';
import { failedKey, outKey } from '../../model/keys.ts';
import { mustBeLegal } from '../../model/legal.ts';
import { isKilled, type JobView, roundOf } from '../../model/view.ts';
import type { AttemptEvent } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { append } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { lookAndTell } from '../notify/teller.ts';
import { whereAvailable } from '../remember.ts';
import { setsOfTasks, type TaskName } from '../tasks.ts';
import { guardFailures } from '../watch/guards.ts';

/** Error text of a killed task; a worker that receives the task first writes the same. */
const KILLED = { reason: 'killed', exitCode: null, error: 'failed by tasks kill' } as const;

/** Tasks failed at once. */
const IN_FLIGHT = 16;

/**
 * Ends tasks' running attempts: `requeue` retries them (without using up an attempt), `fail` fails them for good. Failing
 * follows law 3: entry, `failed/` unless it is published by then, ledger, a look. Repeating the command completes an
 * interrupted kill. Tasks that are decided by now are left out. Throws `refused` if all are.
 */
export async function kill(
  platform: Platform,
  view: JobView,
  tasks: readonly TaskName[],
  mode: 'requeue' | 'fail',
): Promise<JobView> {
  mustBeLegal(view, 'kill');
  const standing = standingOf(view, await listFacts(platform.store, view));
  const live = tasks.filter(({ step, task }) => standing.steps[step]?.undecided.has(task) === true);
  const [first] = tasks;
  if (first !== undefined && live.length === 0) {
    const name = `${first.name}/${first.task}`;
    throw new BatchctlError('refused', `task ${name} is neither running nor waiting`, {
      hint: `batchctl tasks ${view.record.job} --task ${name}`,
    });
  }
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after } = await append(platform.store, view, by, (seen) => {
    mustBeLegal(seen, 'kill');
    if (mode === 'fail' && live.every((task) => isKilled(seen, task.step, task.task))) return null;
    return { what: 'kill', mode, tasks: setsOfTasks(live) };
  });
  if (mode === 'requeue') return after;
  await eachParallel(live, IN_FLIGHT, (task) => fail(platform, after, task));
  return (await lookAndTell(platform, await guardFailures(platform, after))).view;
}

async function fail(platform: Platform, view: JobView, { step, name, task }: TaskName): Promise<void> {
  const { job } = view.record;
  const round = roundOf(view, step, task);
  if ((await platform.store.head(outKey(job, name, task))) !== null) return;
  const now = platform.clock.now();
  const when = new Date(now).toISOString();
  const record = {
    format: 1,
    ...KILLED,
    attempt: 'none',
    number: 0,
    worker: platform.who,
    startedAt: when,
    endedAt: when,
    cause: causeText({ step: name, ...KILLED }),
  };
  await platform.store.put(failedKey(job, name, task, round), JSON.stringify(record), { ifAbsent: true });
  const event: AttemptEvent = {
    job,
    step: name,
    task,
    round,
    attempt: 'none',
    number: 0,
    worker: platform.who,
    slot: 0,
    outcome: 'failed',
    startedAt: now,
    endedAt: now,
    waitSeconds: null,
    ...KILLED,
    cpuSeconds: null,
    peakMemory: null,
    bytesIn: null,
    bytesOut: null,
    counters: {},
  };
  // The failure is in `failed/`; the worker that moves the delivery to the dead letters also records it.
  await whereAvailable(async () => (await platform.ledger()).record([event]));
}
