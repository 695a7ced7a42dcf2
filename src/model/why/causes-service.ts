import { formatDuration, formatMany, formatSize } from '../../lib/units.ts';
import { type Cause, type CauseCode, formatList, groupFlag, isOrAre, iso } from '../cause.ts';
import { isOlder } from '../needs.ts';
import type { Snapshot, Trouble } from './snapshot.ts';

/** Less free space than this counts as a full disk, bytes. */
const FULL_BELOW = 2 ** 20;
/** A disk counts as nearly full below this share, and below this number of bytes. */
const LOW_DISK_SHARE = 0.05;
const LOW_DISK_BYTES = 10e9;
const LOW_DISK_FILES = 10_000;
/** Credentials that expire sooner are reported, milliseconds. */
const EXPIRES_SOON_MS = 3_600_000;

/** Services that don't answer, disks without space, versions that don't match. */
export function serviceCauses(seen: Snapshot): readonly Cause[] {
  const ending = credentialsEnding(seen);
  return [
    ...seen.troubles.map(troubleCause),
    ...diskCauses(seen),
    ...newerMessages(seen),
    ...olderWorkers(seen),
    ...(ending === null ? [] : [ending]),
  ];
}

const CODES: Readonly<Record<Trouble['service'], CauseCode>> = {
  store: 'storeUnreachable',
  queue: 'queueUnreachable',
  ledger: 'ledgerUnreachable',
  group: 'groupUnreachable',
  disk: 'storeUnreachable',
  credentials: 'credentialsRefused',
};

/** The cause for an error: a format, damage, a full disk, or a service that does not answer. */
export function troubleCause({ service, group, kind, message: said, hint, denied }: Trouble): Cause {
  const where = group === null ? `the ${service}` : `the ${service} of group ${group}`;
  const evidence = [said];
  if (kind === 'newer') {
    const fix = hint ?? 'install the version of batchctl that wrote it, or a newer one';
    return {
      code: 'newerFormat',
      severity: 'stops',
      message: `another version of batchctl wrote ${where}`,
      evidence,
      fix,
    };
  }
  if (kind === 'corrupt') {
    const fix = hint ?? 'restore it from a backup of the store';
    return { code: 'damaged', severity: 'stops', message: `${where} is damaged`, evidence, fix };
  }
  if (kind === 'full') {
    const fix = hint ?? 'free space on that disk: nothing is lost';
    return { code: 'diskFull', severity: 'stops', message: `${where} has no space left`, evidence, fix };
  }
  const severity = service === 'ledger' ? 'slows' : 'stops';
  const fix = hint ?? 'batchctl doctor, for details';
  if (denied !== null) {
    const message = `${denied} is denied to the user running this command${service === 'credentials' ? '' : `: ${where} can't be used`}`;
    return { code: 'accessDenied', severity, message, evidence, fix };
  }
  if (kind === 'credentials') {
    return {
      code: 'credentialsRefused',
      severity,
      message: `${where} ${service === 'credentials' ? 'do not exist' : 'rejects the credentials'}`,
      evidence,
      fix,
    };
  }
  if (kind === 'notFound' && service === 'queue') {
    return { code: 'queueGone', severity, message: `${where} does not exist`, evidence, fix };
  }
  return { code: CODES[service], severity, message: `${where} can't be reached`, evidence, fix };
}

/** The credentials of the machine that runs `why`: a worker started with the same ones stops at that moment. */
function credentialsEnding({ credentials, now }: Snapshot): Cause | null {
  if (credentials === null || credentials.endsAt === null || credentials.renewed) return null;
  const left = credentials.endsAt - now;
  if (left > EXPIRES_SOON_MS) return null;
  return {
    code: 'credentialsEnding',
    severity: left > 0 ? 'note' : 'stops',
    message: `the credentials of this machine ${left > 0 ? `expire in ${formatDuration(left / 1_000)}` : 'have expired'}`,
    evidence: [`at ${iso(credentials.endsAt)}; workers that use them then return their tasks`],
    fix: credentials.signIn,
  };
}

function diskCauses({ disks }: Snapshot): readonly Cause[] {
  return disks.flatMap(({ what, path, free, total, freeFiles }): Cause[] => {
    const evidence = [
      `${path}: ${formatSize(free)} of ${formatSize(total)} free${freeFiles === null ? '' : `, ${formatMany(freeFiles, 'file')} more`}`,
    ];
    const fix = `free space on the disk of ${path}: nothing is lost, and returned tasks are delivered again`;
    const none = free < FULL_BELOW ? 'no space' : freeFiles === 0 ? 'no space for another file' : null;
    if (none !== null) {
      return [{ code: 'diskFull', severity: 'stops', message: `there is ${none} for ${what}`, evidence, fix }];
    }
    const nearly = free < LOW_DISK_SHARE * total && free < LOW_DISK_BYTES;
    if (!nearly && (freeFiles === null || freeFiles >= LOW_DISK_FILES)) return [];
    const left = nearly ? formatSize(free) : `space for ${formatMany(freeFiles ?? 0, 'file')}`;
    return [{ code: 'diskNearlyFull', severity: 'note', message: `only ${left} left for ${what}`, evidence, fix }];
  });
}

/** Messages that this version can't read are released with a delay of a minute, each time. */
function newerMessages({ groups, version }: Snapshot): readonly Cause[] {
  return groups.flatMap(({ group, newerFormat, workers, size: groupSize }): Cause[] => {
    if (newerFormat === null) return [];
    const versions = [...new Set(workers.filter(({ state }) => state !== 'gone').map((worker) => worker.version))];
    const known = versions.length === 0 ? '' : `; its workers are batchctl ${formatList(versions)}`;
    const message = `messages in group ${group} have format ${newerFormat}, which batchctl ${version} can't read${known}`;
    const fix = groupSize?.byHand
      ? 'stop its workers, and start new ones with the version of batchctl that submitted the job'
      : `batchctl scale 0${groupFlag(group)}; install the version of batchctl that submitted the job; batchctl scale 1${groupFlag(group)}`;
    const evidence = ['they are returned without running, and delivered again after a minute'];
    return [{ code: 'newerFormat', severity: 'stops', message, evidence, fix }];
  });
}

function olderWorkers({ view, groups }: Snapshot): readonly Cause[] {
  return groups.flatMap(({ group, workers }): Cause[] => {
    const older = workers.filter(
      ({ state, version }) => state !== 'gone' && state !== 'lost' && isOlder(version, view.record.version),
    );
    if (older.length === 0) return [];
    const message = `${formatMany(older.length, 'worker')} of group ${group} ${isOrAre(older.length)} older than the batchctl ${view.record.version} that submitted the job`;
    const evidence = older.slice(0, 3).map(({ worker, version }) => `${worker}: batchctl ${version}`);
    const fix = `batchctl workers drain ${older[0]?.worker ?? 'WORKER'}, then start one of the newer version`;
    return [{ code: 'olderWorkers', severity: 'note', message, evidence, fix }];
  });
}
