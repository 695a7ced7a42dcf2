import { randomId } from '../../lib/id.ts';
import { formatDuration, formatSize } from '../../lib/units.ts';
import { VERSION } from '../../lib/version.ts';
import { type Check, type Finding, fail, pass, warn } from '../../ports/check.ts';
import type { Platform } from '../../ports/platform.ts';
import { knownGroups } from '../grid/groups.ts';
import { listWorkers } from '../grid/workers.ts';
import { freshKeeper, latestKeeper } from '../keeper.ts';
import { listSchedules } from '../schedules/schedule-journal.ts';
import { deadLettersCheck, openJobsCheck, readOpenJobs, secretsCheck, versionsCheck } from './job-checks.ts';
import { toldCheck } from './told-check.ts';

/** Free space below which a disk is nearly full, and as good as full: bytes, and files. */
const NEARLY = { bytes: 1e9, share: 0.03, files: 10_000 };
const FULL = { bytes: 50e6, files: 100 };

/** What must hold of a profile's store, ledger, queues, workers and open jobs. */
export function gridChecks(platform: Platform): readonly Check[] {
  const open = readOpenJobs(platform);
  // Told by the checks that await it.
  open.catch(() => undefined);
  return [
    { check: 'createIfAbsent', run: () => createCheck(platform) },
    ...(platform.remote === true ? [] : localServices(platform)),
    { check: 'workers', run: () => workersCheck(platform) },
    ...(platform.remote === true ? [] : [{ check: 'supervisors', run: () => supervisorsCheck(platform) }]),
    { check: 'keeper', run: () => keeperCheck(platform) },
    { check: 'notifications', run: () => toldCheck(platform) },
    { check: 'versions', run: async () => versionsCheck(await open) },
    { check: 'openJobs', run: async () => openJobsCheck(platform, await open) },
    { check: 'secrets', run: async () => secretsCheck(platform, await open) },
    { check: 'deadLetters', run: async () => deadLettersCheck(platform, await open) },
  ];
}

/** Elsewhere the services are looked at before any of this, one by one. */
function localServices(platform: Platform): readonly Check[] {
  return [
    { check: 'diskSpace', run: () => spaceCheck(platform) },
    { check: 'ledger', run: () => ledgerCheck(platform) },
    { check: 'queue', run: () => queueCheck(platform) },
  ];
}

/** The primitive on which everything stands (law 2): of two puts of a name, one is told that it made it. */
async function createCheck({ store, who, remote }: Platform): Promise<Finding> {
  // No other process's, nor what one left that was killed.
  const key = `workers/doctor-${who.replace(/[^A-Za-z0-9-]/g, '-')}-${randomId(10)}/probe`;
  const mend = `use ${remote === true ? 'AWS itself, or an endpoint that supports If-None-Match' : 'a root on a local disk'}; otherwise two workers could publish the same task`;
  try {
    const first = await store.put(key, 'one', { ifAbsent: true });
    const second = await store.put(key, 'two', { ifAbsent: true });
    const bytes = await store.read(key);
    const kept = bytes === null ? null : new TextDecoder().decode(bytes);
    if (first.created && !second.created && kept === 'one') return pass('a name is created once and never replaced');
    return fail(
      `a second create of a name returned ${second.created ? 'created' : 'exists'}, and the object contains ${kept}`,
      mend,
    );
  } finally {
    await store.delete([key]);
  }
}

async function spaceCheck({ insight }: Platform): Promise<Finding> {
  const texts: string[] = [];
  let worst: Finding['status'] = 'pass';
  for (const { what, path, free, total, freeFiles } of (await insight?.disks()) ?? []) {
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
    status: worst,
    message,
    mend: worst === 'pass' ? null : 'remove leftovers of finished jobs with batchctl prune --older-than 30d',
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
    const { visible, leased, delayed } = await (await platform.queue(group)).held();
    waiting += visible + leased + delayed;
  }
  return pass(`it responds for ${count(groups.length, 'group')}; ${count(waiting, 'message')} in total`);
}

async function workersCheck(platform: Platform): Promise<Finding> {
  const seen = await listWorkers(platform, { group: undefined, left: false });
  const alive = seen.filter(({ state }) => state !== 'lost');
  const lost = seen.filter(({ state }) => state === 'lost');
  const others = alive.filter(({ version }) => version !== VERSION);
  const [first] = lost;
  if (first !== undefined) {
    return warn(
      `${count(lost.length, 'worker')} vanished within the hour without leaving: ${lost
        .slice(0, 3)
        .map(({ worker }) => worker)
        .join(', ')}`,
      `batchctl workers logs ${first.worker} may show why; its tasks are delivered again`,
    );
  }
  const [other] = others;
  if (other !== undefined) {
    return warn(
      `${count(others.length, 'worker')} of ${alive.length} run another version than this ${VERSION}: ${other.worker} has ${other.version}`,
      `batchctl workers drain ${other.worker}, then start one with this version`,
    );
  }
  return pass(alive.length === 0 ? 'none is running' : `${count(alive.length, 'worker')} running version ${VERSION}`);
}

/** Whether somebody fires schedules and begins jobs that wait for their time. */
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

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
