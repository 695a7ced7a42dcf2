import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { loadCrypto } from '../lib/id.ts';
import type { JobRecord, JobSpec } from '../model/job.ts';
import type { EventKind, Notification } from '../model/notify.ts';
import type { Receiver } from '../ports/notifier.ts';
import type { Platform } from '../ports/platform.ts';

export interface NoticeReceiver extends Receiver {
  /** Its id in the store: the same in every process that notifies it. */
  readonly id: string;
  readonly on: ReadonlySet<EventKind>;
}

type NoticeContext = Pick<Platform, 'notices' | 'workplace'>;

/**
 * The receivers of a job's own list and the profile's, each once; none for a rehearsal. Those that this process may not
 * notify for a job are left to others.
 */
export function jobReceivers(here: NoticeContext, record: JobRecord): readonly NoticeReceiver[] {
  const { notices } = here;
  if (notices === undefined || (record.rehearsal ?? null) !== null) return [];
  const own = record.spec.notify.flatMap((one) => ownReceivers(here, record, one));
  return merged([...notices.profile.map((one) => receiverOf(one, one.to, true)), ...own]);
}

/** For a firing that did not happen: the receivers in its job and the profile, without those bound to one machine. */
export function firingReceivers(here: NoticeContext, notify: readonly Notification[]): readonly NoticeReceiver[] {
  const { notices } = here;
  if (notices === undefined) return [];
  const own = notify
    .filter(({ to }) => !isExecReceiver(to))
    .map((one) => receiverOf(one, one.to, here.workplace.sharesFiles));
  return merged([...notices.profile.map((one) => receiverOf(one, one.to, true)), ...own]);
}

/** A receiver for display: what follows the host of a URL may be a secret. */
export function shownReceiver(to: string): string {
  if (!/^https?:/.test(to)) return to;
  const { origin, pathname } = new URL(to);
  return pathname === '/' ? origin : `${origin}/...`;
}

/**
 * Throws `jobFile` for receivers that would use the machine of remote workers or managers: anyone who may submit can
 * write such a job.
 */
export function refuseLocalReceivers({ notify }: Pick<JobSpec, 'notify'>): void {
  for (const { to, secret } of notify) {
    if (isExecReceiver(to)) {
      const hint = "put it into the profile's notify: then the owner of the profile runs it";
      throw wrong(`expected sns: or https:, found ${to}: it is unclear which machine would run it`, hint);
    }
    if (to.startsWith('http:'))
      throw wrong(`expected sns: or https:, found ${to}, which is another machine for each sender`, 'use https:');
    if (secret !== undefined && /^(env|file):/.test(secret))
      throw wrong(
        `expected a secret of ssm: or secretsmanager:, found ${secret}`,
        'the sender may run on another machine, where it is a different one',
      );
  }
}

export const isExecReceiver = (to: string): boolean => to.startsWith('exec:');

/** The full path of a program, relative to a directory. */
export const resolveExec = (to: string, directory: string): string =>
  `exec:${resolve(directory, to.slice('exec:'.length))}`;

function ownReceivers(
  { workplace }: NoticeContext,
  record: Pick<JobRecord, 'host' | 'notifyFrom'>,
  one: Notification,
): readonly NoticeReceiver[] {
  const { to, secret = '' } = one;
  if (!workplace.sharesFiles) {
    // Refused at submission, but anyone with write access to the store may have put it there.
    if (isExecReceiver(to) || to.startsWith('http:') || /^(env|file):/.test(secret)) return [];
    return [receiverOf(one, to, false)];
  }
  if (!isExecReceiver(to)) return [receiverOf(one, to, true)];
  const { notifyFrom = null, host } = record;
  if (notifyFrom === null || host !== hostname()) return [];
  return [receiverOf(one, resolveExec(to, notifyFrom), true)];
}

function receiverOf(one: Notification, to: string, trusted: boolean): NoticeReceiver {
  const { on, secret = null } = one;
  return {
    id: loadCrypto().createHash('sha256').update(to).digest('hex').slice(0, 12),
    to,
    on: new Set(on),
    secret,
    trusted,
  };
}

function merged(all: readonly NoticeReceiver[]): readonly NoticeReceiver[] {
  const byId = new Map<string, NoticeReceiver>();
  for (const one of all) {
    const known = byId.get(one.id);
    byId.set(one.id, known === undefined ? one : { ...known, on: new Set([...known.on, ...one.on]) });
  }
  return [...byId.values()];
}

const wrong = (found: string, hint: string): BatchctlError =>
  new BatchctlError('jobFile', `notify: ${found}`, { hint });
