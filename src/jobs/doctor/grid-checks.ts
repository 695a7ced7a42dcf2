import { isKind } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { formatDuration, formatMany, formatSize } from '../../lib/units.ts';
import { VERSION } from '../../lib/version.ts';
import { allowSecretsLine, isAllowed } from '../../model/allowed-secrets.ts';
import { totalMessages } from '../../model/backlog.ts';
import { stayingFix, stayingText } from '../../model/cost/staying.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import { OPEN_PREFIX, parseOpenMark } from '../../model/keys.ts';
import type { DiskSpace } from '../../model/machine-facts.ts';
import { parseMessage } from '../../model/message.ts';
import { changedStep } from '../../model/overrides.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Check } from '../../ports/check.ts';
import type { Platform } from '../../ports/platform.ts';
import { readStaying } from '../cost/staying.ts';
import { readDeniedMark } from '../denied-job.ts';
import { knownGroups } from '../grid/queues.ts';
import { listWorkers } from '../grid/workers.ts';
import { readView } from '../journal.ts';
import { freshKeeper, latestKeeper } from '../keeper-mark.ts';
import { listSchedules } from '../schedules/schedules.ts';
import { listLostNotices } from '../send-notice.ts';

/** Free space below which a disk is nearly full, or practically full: bytes, share, and files. */
const NEARLY = { bytes: 1e9, share: 0.03, files: 10_000 };

const FULL = { bytes: 50e6, files: 100 };

export function gridChecks(platform: Platform): readonly Check[] {
  const open = readOpenJobs(platform);
  // The checks that await it report the error.
  open.catch(() => undefined);
  return [
    { code: 'createIfAbsent', run: () => createCheck(platform) },
    ...(platform.workplace.sizesGroups ? [] : localServices(platform)),
    { code: 'workers', run: () => workersCheck(platform) },
    ...(platform.workplace.sizesGroups ? [] : [{ code: 'supervisors', run: () => supervisorsCheck(platform) }]),
    { code: 'keeper', run: () => keeperCheck(platform) },
    { code: 'notifications', run: () => notificationsCheck(platform) },
    { code: 'versions', run: async () => versionsCheck(await open) },
    { code: 'openJobs', run: async () => openJobsCheck(platform, await open) },
    { code: 'secrets', run: async () => secretsCheck(platform, await open) },
    { code: 'deadLetters', run: async () => deadLettersCheck(platform, await open) },
  ];
}

/** On other backends the services are checked earlier, one by one. */
function localServices(platform: Platform): readonly Check[] {
  return [
    { code: 'diskSpace', run: async () => spaceFinding((await platform.insight?.disks()) ?? []) },
    { code: 'ledger', run: () => ledgerCheck(platform) },
    { code: 'queue', run: () => queueCheck(platform) },
  ];
}

/** Checks the primitive of all coordination (law 2): of two puts of a name, exactly one creates the object. */
async function createCheck({ store, who, workplace }: Platform): Promise<Finding> {
  // A unique key, so that neither another process nor the leftover of a killed one interferes.
  const key = `workers/doctor-${who.replace(/[^A-Za-z0-9-]/g, '-')}-${randomId(10)}/probe`;
  const fix = `use ${workplace.advice.store}; otherwise two workers could publish the same task`;
  try {
    const first = await store.put(key, 'one', { ifAbsent: true });
    const second = await store.put(key, 'two', { ifAbsent: true });
    const bytes = await store.read(key);
    const kept = bytes === null ? null : new TextDecoder().decode(bytes);
    if (first.created && !second.created && kept === 'one') return pass('a name is created once and never replaced');
    return fail(
      `a second create of a name returned ${second.created ? 'created' : 'exists'}, and the object contains ${kept}`,
      fix,
    );
  } finally {
    await store.delete([key]);
  }
}

/** Whether there is room on the disks for jobs. */
export function spaceFinding(disks: readonly DiskSpace[]): Finding {
  const texts: string[] = [];
  let worst: Finding['severity'] = 'pass';
  for (const { what, path, free, total, freeFiles } of disks) {
    const files = freeFiles ?? Number.POSITIVE_INFINITY;
    const full = free < FULL.bytes || files < FULL.files;
    const nearly = free < Math.min(NEARLY.bytes, total / 4) || free < NEARLY.share * total || files < NEARLY.files;
    if (full) worst = 'fail';
    else if (nearly && worst === 'pass') worst = 'warn';
    const left = freeFiles === null ? '' : `, room for ${freeFiles.toLocaleString('en')} files`;
    texts.push(`${path} (${what}): ${formatSize(free)} of ${formatSize(total)} free${left}`);
  }
  const message = texts.length === 0 ? 'not supported by this backend' : texts.join('; ');
  return {
    severity: worst,
    message,
    fix: worst === 'pass' ? null : 'remove leftovers of finished jobs with batchctl prune --older-than 30d',
  };
}

async function ledgerCheck(platform: Platform): Promise<Finding> {
  const jobs = await (await platform.ledger()).jobs({ limit: 1 });
  return pass(jobs.length === 0 ? 'it opens; it has no jobs yet' : 'it opens and responds');
}

async function queueCheck(platform: Platform): Promise<Finding> {
  const groups = await knownGroups(platform);
  let waiting = 0;
  for (const group of groups) {
    waiting += totalMessages(await (await platform.queue(group)).readCounts());
  }
  return pass(`it responds for ${formatMany(groups.length, 'group')}; ${formatMany(waiting, 'message')} in total`);
}

async function workersCheck(platform: Platform): Promise<Finding> {
  const seen = await listWorkers(platform, { group: undefined, left: false });
  const alive = seen.filter(({ state }) => state !== 'lost');
  const lost = seen.filter(({ state }) => state === 'lost');
  const others = alive.filter(({ version }) => version !== VERSION);
  const [first] = lost;
  if (first !== undefined) {
    return warn(
      `${formatMany(lost.length, 'worker')} stopped reporting within the last hour: ${lost
        .slice(0, 3)
        .map(({ worker }) => worker)
        .join(', ')}`,
      `batchctl workers logs ${first.worker} may show why; its tasks are delivered again`,
    );
  }
  for (const group of new Set(alive.flatMap((worker) => worker.group.split(',')))) {
    const serving = alive.filter((worker) => worker.group.split(',').includes(group));
    const staying = await readStaying(platform, group, serving);
    if (staying !== null) return warn(`group ${group}: ${stayingText(staying)}`, stayingFix(group));
  }
  const [other] = others;
  if (other !== undefined) {
    return warn(
      `${formatMany(others.length, 'worker')} of ${alive.length} run another version than this ${VERSION}: ${other.worker} has ${other.version}`,
      `batchctl workers drain ${other.worker}, then start one with this version`,
    );
  }
  return pass(
    alive.length === 0 ? 'none is running' : `${formatMany(alive.length, 'worker')} running version ${VERSION}`,
  );
}

async function keeperCheck(platform: Platform): Promise<Finding> {
  const unreadable: string[] = [];
  const [keeper, schedules] = await Promise.all([
    latestKeeper(platform),
    listSchedules(platform.store, (name) => unreadable.push(name)),
  ]);
  const now = platform.clock.now();
  if (unreadable.length > 0) {
    return fail(
      `schedules that can't be read: ${unreadable.join(', ')}`,
      `batchctl schedule show ${unreadable[0]} shows why`,
    );
  }
  const active = schedules.filter(({ paused }) => paused === null);
  if (keeper !== null && freshKeeper(keeper, now) !== null)
    return pass(`${keeper.id} was active ${age(keeper.at, now)} ago`);
  const found =
    keeper === null ? 'no manager or tick has run here' : `${keeper.id} was last active ${age(keeper.at, now)} ago`;
  if (active.length === 0) return pass(`${found}; not needed, as no schedule is active`);
  return warn(
    `${found}, so nothing fires ${active.map(({ name }) => name).join(', ')}`,
    'run batchctl tick every minute from a crontab: docs/schedules.md shows the line',
  );
}

const age = (at: number, now: number): string => formatDuration(Math.max(0, Math.round((now - at) / 1_000)));

async function supervisorsCheck(platform: Platform): Promise<Finding> {
  const wanted: string[] = [];
  const dead: { readonly group: string; readonly desired: number }[] = [];
  for (const group of await knownGroups(platform)) {
    const { desired } = await (await platform.group(group)).describe();
    if (desired === 0) continue;
    wanted.push(group);
    if ((await platform.insight?.supervisor(group))?.alive === false) dead.push({ group, desired });
  }
  const [first] = dead;
  if (first !== undefined) {
    return warn(
      `the supervisor of ${dead.map(({ group, desired }) => `${group} (size ${desired})`).join(', ')} is not running, so dead workers are not replaced`,
      `batchctl scale ${first.desired}${first.group === 'default' ? '' : ` --group ${first.group}`}`,
    );
  }
  return pass(wanted.length === 0 ? 'not needed, as no group has a size' : `running for ${wanted.join(', ')}`);
}

/** A submission that isn't committed after this time is most likely dead, milliseconds. */
const ABANDONED_MS = 600_000;

/** Maximum dead letters read per group. */
const LETTERS = 5_000;

interface Unreadable {
  readonly newer: boolean;
  readonly why: string;
  readonly fix: string;
}

export interface OpenJobs {
  readonly views: ReadonlyMap<string, JobView>;
  /** Marks without a committed job, with the time of their put, milliseconds since the epoch. */
  readonly uncommitted: ReadonlyMap<string, number>;
  /** Jobs that can't be read, with the reason. */
  readonly unreadable: ReadonlyMap<string, Unreadable>;
}

export async function readOpenJobs({ store }: Platform): Promise<OpenJobs> {
  const marks = new Map<string, number>();
  for await (const { key, modified } of store.list(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
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
      const fix =
        kind === 'credentials' ? (hint ?? 'batchctl infra policies') : 'restore it from a backup of the store';
      unreadable.set(job, { newer: kind === 'newer', why, fix });
    }
  }
  return { views, uncommitted, unreadable };
}

export function versionsCheck({ views, unreadable }: OpenJobs): Finding {
  const [first] = [...unreadable].sort(([, one], [, other]) => Number(other.newer) - Number(one.newer));
  if (first !== undefined) {
    const [job, { newer, why, fix }] = first;
    const others = unreadable.size === 1 ? '' : `; ${formatMany(unreadable.size - 1, 'more job')} can't be read either`;
    const install = `install the version of batchctl that wrote it; this is ${VERSION}`;
    return fail(`job ${job} can't be read: ${why}${others}`, newer ? install : fix);
  }
  const others = new Set(
    [...views.values()].map(({ record }) => record.version).filter((version) => version !== VERSION),
  );
  if (others.size === 0) return pass(`open jobs and this batchctl have version ${VERSION}`);
  return pass(
    `open jobs were submitted by batchctl ${[...others].join(', ')}; this is ${VERSION}, which can read them`,
  );
}

/** Reports open jobs without workers or watchers, and submissions that died before their commit. */
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
    const mark = await readDeniedMark(platform.store, record.job);
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
      `no worker is running for ${first.record.job}${others}, and no watcher starts one`,
      platform.workplace.advice.work,
    );
  }
  const texts = [`${running.length} running`, `${paused.length} paused`];
  return pass(views.size === 0 ? 'no job is open' : `open jobs: ${texts.join(', ')}`);
}

/** Files that no wildcard pattern should match: the worker's own credentials, and files that only root may read. */
const SENSITIVE_REFERENCES = [
  ...['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'BATCHCTL_TOKEN', 'PGPASSWORD'].map((name) => `env:${name}`),
  ...['/etc/shadow', '/etc/batchctl/config.json', '/proc/self/environ', '/proc/1/environ'].map(
    (path) => `file:${path}`,
  ),
  ...['/root/.aws/credentials', '/root/.ssh/id_ed25519', '/home/me/.ssh/id_ed25519'].map((path) => `file:${path}`),
];

/** Directories where any user can create a link to another file. */
const WORLD_WRITABLE = /^file:\/(tmp|var\/tmp|dev\/shm)\//;

/** Which `env:` and `file:` references jobs may use, and whether these are too many, or too few for an open job. */
export function secretsCheck(platform: Platform, { views }: OpenJobs): Finding {
  const allowed = platform.allowedSecrets?.(false) ?? null;
  if (allowed === null)
    return pass(
      "jobs may refer to any env: and file: of the worker's machine; to none if commands run as another user",
    );
  const patterns = allowed.filter((reference) => /^(env|file):/.test(reference));
  for (const { record, overrides } of views.values()) {
    for (const each of record.spec.steps) {
      const { name, secrets } = changedStep(each, overrides);
      const [refused] = Object.entries(secrets).filter(([, reference]) => !isAllowed(reference, patterns));
      if (refused === undefined) continue;
      const [variable, reference] = refused;
      const found = patterns.length === 0 ? 'the profile allows none' : `the profile allows ${patterns.join(', ')}`;
      return fail(
        `the open job ${record.job} needs ${reference} (steps.${name}.secrets.${variable}), but ${found}`,
        `add ${allowSecretsLine(reference)} to the profile${platform.workplace.advice.apply}; batchctl resume ${record.job}`,
      );
    }
  }
  for (const pattern of patterns) {
    const reached = pattern.includes('*')
      ? SENSITIVE_REFERENCES.find((reference) => isAllowed(reference, [pattern]))
      : undefined;
    if (reached !== undefined)
      return warn(
        `"${pattern}" lets every job read ${reached}`,
        `list in "allowSecrets" only what jobs need${platform.workplace.advice.apply}`,
      );
    if (WORLD_WRITABLE.test(pattern))
      return warn(
        `"${pattern}" is in a directory that every user can write to: a command could link any file there`,
        `keep secrets in a directory of root, such as /run/secrets, and put that into "allowSecrets"${platform.workplace.advice.apply}`,
      );
  }
  return pass(
    patterns.length === 0 ? 'jobs may refer to no env: and no file:' : `jobs may refer to ${patterns.join(', ')}`,
  );
}

/** Dead letters of open jobs, and unreadable ones. Those of a closed job are its failures, reported already. */
async function deadLettersCheck(platform: Platform, { views, unreadable: jobs }: OpenJobs): Promise<Finding> {
  let closed = 0;
  let unread = 0;
  const open = new Map<string, number>();
  let unreadable = 0;
  for (const group of await knownGroups(platform)) {
    for await (const { body } of (await platform.queue(group)).dead({ limit: LETTERS })) {
      const parsed = parseMessage(body);
      if (parsed.kind === 'bad') unreadable += 1;
      else if (parsed.kind === 'task' && views.has(parsed.message.job))
        open.set(parsed.message.job, (open.get(parsed.message.job) ?? 0) + 1);
      else if (parsed.kind === 'task' && jobs.has(parsed.message.job)) unread += 1;
      else closed += 1;
    }
  }
  const [first] = open;
  if (first !== undefined)
    return warn(
      `${formatMany(first[1], 'dead letter')} of the open job ${first[0]}`,
      `batchctl failures ${first[0]}, to see why; if it shows nothing, batchctl why ${first[0]}`,
    );
  if (unreadable > 0)
    return warn(
      `${unreadable} dead ${unreadable === 1 ? 'letter is not a message' : 'letters are not messages'} of batchctl`,
      'find out who sends to this queue; batchctl queue shows how many there are',
    );
  if (unread > 0) return pass(`${unread} of jobs that can't be read, ${closed} of closed jobs`);
  return pass(closed === 0 ? 'none' : `${closed}, all of closed jobs`);
}

const NAMED = 3;

/** Notifications that were not delivered and are not retried any more; `prune` removes them. */
async function notificationsCheck({ store }: Pick<Platform, 'store'>): Promise<Finding> {
  const lost = await listLostNotices(store);
  if (lost.length === 0) return pass('all notifications were sent, or are being retried');
  const named = lost.slice(-NAMED).map(({ to, event }) => `${to}, of ${event}`);
  return warn(
    `given up after a day: ${named.join('; ')}${lost.length > NAMED ? `; ${lost.length - NAMED} more` : ''}`,
    'batchctl notify test shows which receivers accept it now; batchctl prune removes old records',
  );
}
