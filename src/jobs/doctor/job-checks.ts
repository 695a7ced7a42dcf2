import { isKind } from '../../errors.ts';
import { VERSION } from '../../lib/version.ts';
import { allowLine, isAllowed } from '../../model/allowed-secrets.ts';
import { OPEN, openOf } from '../../model/keys.ts';
import { parseMessage } from '../../model/message.ts';
import { changedStep } from '../../model/overrides.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import { type Finding, fail, pass, warn } from '../../ports/check.ts';
import type { Platform } from '../../ports/platform.ts';
import { readMark } from '../denied-job.ts';
import { knownGroups } from '../grid/groups.ts';
import { listWorkers } from '../grid/workers.ts';
import { readView } from '../journal.ts';

/** A submission that isn't committed after so long has died, most likely, milliseconds. */
const ABANDONED_MS = 600_000;
/** So many dead letters a group are looked at. */
const LETTERS = 5_000;

interface Unreadable {
  readonly newer: boolean;
  readonly why: string;
  readonly mend: string;
}

/** What open marks lead to. */
export interface OpenJobs {
  readonly views: ReadonlyMap<string, JobView>;
  /** Marks without a committed job, each with when it was put, milliseconds since the epoch. */
  readonly uncommitted: ReadonlyMap<string, number>;
  /** Jobs that can't be read, each with why. */
  readonly unreadable: ReadonlyMap<string, Unreadable>;
}

export async function readOpenJobs({ store }: Platform): Promise<OpenJobs> {
  const marks = new Map<string, number>();
  for await (const { key, modified } of store.list(OPEN)) {
    const mark = openOf(key);
    if (mark !== null) marks.set(mark.job, Math.max(modified, marks.get(mark.job) ?? 0));
  }
  const views = new Map<string, JobView>();
  const uncommitted = new Map<string, number>();
  const unreadable = new Map<string, Unreadable>();
  for (const [job, modified] of marks) {
    try {
      const view = await readView(store, job);
      if (view === null) uncommitted.set(job, modified);
      else views.set(job, view);
    } catch (error) {
      if (!isKind(error, 'newer', 'corrupt', 'credentials')) throw error;
      if (error.kind === 'credentials' && error.denied === undefined) throw error;
      const { kind, message: why, hint } = error;
      const mend =
        kind === 'credentials' ? (hint ?? 'batchctl infra policies') : 'restore it from a backup of the store';
      unreadable.set(job, { newer: kind === 'newer', why, mend });
    }
  }
  return { views, uncommitted, unreadable };
}

/** Whether this version can read what the open jobs were written with. */
export function versionsCheck({ views, unreadable }: OpenJobs): Finding {
  const newer = [...unreadable.values()].find((job) => job.newer);
  if (newer !== undefined) return fail(newer.why, `install the version of batchctl that wrote it; this is ${VERSION}`);
  const [damaged] = unreadable;
  if (damaged !== undefined) return fail(`job ${damaged[0]} can't be read: ${damaged[1].why}`, damaged[1].mend);
  const others = new Set(
    [...views.values()].map(({ record }) => record.version).filter((version) => version !== VERSION),
  );
  if (others.size === 0) return pass(`open jobs and this batchctl have version ${VERSION}`);
  return pass(
    `open jobs were submitted by batchctl ${[...others].join(', ')}; this is ${VERSION}, which can read them`,
  );
}

/** Open jobs on which nobody works or looks, and submissions that died before they were committed. */
export async function openJobsCheck(platform: Platform, { views, uncommitted }: OpenJobs): Promise<Finding> {
  const now = platform.clock.now();
  const [died] = [...uncommitted].filter(([, modified]) => now - modified > ABANDONED_MS);
  if (died !== undefined) {
    return warn(
      `the submission of ${died[0]} was started ${Math.round((now - died[1]) / 60_000)} min ago and never committed`,
      'submit it again; its leftovers are removed after a day',
    );
  }
  const running = [...views.values()].filter((view) => ['running', 'submitted'].includes(stateOf(view)));
  for (const { record } of running) {
    const mark = await readMark(platform.store, record.job);
    if (mark === null) continue;
    return fail(`workers can't read ${record.job}: ${mark.detail}`, `allow it, then batchctl resume ${record.job}`);
  }
  const paused = [...views.values()].filter((view) => stateOf(view) === 'paused');
  const workers = (await listWorkers(platform, { group: undefined, left: false })).filter(
    ({ state }) => state !== 'lost',
  );
  const [first] = running;
  if (first !== undefined && workers.length === 0) {
    const others = running.length === 1 ? '' : ` and ${running.length - 1} more`;
    return warn(
      `no worker runs and nothing looks after ${first.record.job}${others}`,
      platform.remote === true
        ? 'batchctl worker --here --until-empty, on any machine that can reach the queues'
        : 'batchctl scale 1, to keep a worker running; or batchctl worker --until-empty, to run one now',
    );
  }
  const texts = [`${running.length} running`, `${paused.length} paused`];
  return pass(views.size === 0 ? 'no job is open' : `open jobs: ${texts.join(', ')}`);
}

/** What no pattern with a wildcard should reach: credentials of the worker itself, and what only root may read. */
const PRECIOUS = [
  ...['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'BATCHCTL_TOKEN', 'PGPASSWORD'].map((name) => `env:${name}`),
  ...['/etc/shadow', '/etc/batchctl/config.json', '/proc/self/environ', '/proc/1/environ'].map(
    (path) => `file:${path}`,
  ),
  ...['/root/.aws/credentials', '/root/.ssh/id_ed25519', '/home/me/.ssh/id_ed25519'].map((path) => `file:${path}`),
];
/** Where every user may put a link to another file. */
const ANYBODYS = /^file:\/(tmp|var\/tmp|dev\/shm)\//;

/** Which `env:` and `file:` references jobs may name, and whether that is too much, or too little for an open job. */
export function secretsCheck(platform: Platform, { views }: OpenJobs): Finding {
  const allowed = platform.allowedSecrets?.(false) ?? null;
  if (allowed === null)
    return pass(
      "jobs may refer to any env: and file: of the worker's machine; to none if commands run as another user",
    );
  const patterns = allowed.filter((reference) => /^(env|file):/.test(reference));
  const added = platform.remote === true ? ', then batchctl infra up' : ', also where workers run';
  for (const { record, overrides } of views.values()) {
    for (const each of record.spec.steps) {
      const { name, secrets } = changedStep(each, overrides);
      const [refused] = Object.entries(secrets).filter(([, reference]) => !isAllowed(reference, patterns));
      if (refused === undefined) continue;
      const [variable, reference] = refused;
      const found = patterns.length === 0 ? 'the profile allows none' : `the profile allows ${patterns.join(', ')}`;
      return fail(
        `the open job ${record.job} needs ${reference} (steps.${name}.secrets.${variable}), but ${found}`,
        `add ${allowLine(reference)} to the profile${added}; batchctl resume ${record.job}`,
      );
    }
  }
  for (const pattern of patterns) {
    const reached = pattern.includes('*') ? PRECIOUS.find((reference) => isAllowed(reference, [pattern])) : undefined;
    if (reached !== undefined)
      return warn(`"${pattern}" lets every job read ${reached}`, `list in "allowSecrets" only what jobs need${added}`);
    if (ANYBODYS.test(pattern))
      return warn(
        `"${pattern}" is in a directory that every user can write to: a command could link any file there`,
        `keep secrets in a directory of root, such as /run/secrets, and put that into "allowSecrets"${added}`,
      );
  }
  return pass(
    patterns.length === 0 ? 'jobs may refer to no env: and no file:' : `jobs may refer to ${patterns.join(', ')}`,
  );
}

/** Dead letters of open jobs, and those that nobody can read. A closed job's are its failures, which it has told. */
export async function deadLettersCheck(platform: Platform, { views }: OpenJobs): Promise<Finding> {
  let closed = 0;
  const open = new Map<string, number>();
  let unreadable = 0;
  for (const group of await knownGroups(platform)) {
    for await (const { body } of (await platform.queue(group)).dead({ limit: LETTERS })) {
      const parsed = parseMessage(body);
      if (parsed.kind === 'bad') unreadable += 1;
      else if (parsed.kind === 'task' && views.has(parsed.message.job))
        open.set(parsed.message.job, (open.get(parsed.message.job) ?? 0) + 1);
      else closed += 1;
    }
  }
  const [first] = open;
  if (first !== undefined)
    return warn(
      `${first[1]} dead ${first[1] === 1 ? 'letter' : 'letters'} of the open job ${first[0]}`,
      `batchctl failures ${first[0]}, to see why; if it shows nothing, batchctl why ${first[0]}`,
    );
  if (unreadable > 0)
    return warn(
      `${unreadable} dead ${unreadable === 1 ? 'letter is not a message' : 'letters are not messages'} of batchctl`,
      'find out who sends to this queue; batchctl queue shows how many there are',
    );
  return pass(closed === 0 ? 'none' : `${closed}, all of closed jobs`);
}
