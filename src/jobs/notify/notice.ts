import { nullIfBatchctlError } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import type { JobSpec } from '../../model/job.ts';
import type { NewsEvent } from '../../model/notify.ts';
import type { JobView } from '../../model/view.ts';
import type { Notice, Receiver } from '../../ports/notifier.ts';
import type { Platform } from '../../ports/platform.ts';
import { firingReceivers, isExecReceiver, resolveExec, shownReceiver } from '../receivers.ts';
import { statusOf } from '../status.ts';

/** The JSON that receivers get (docs/notify.md). */
export interface NoticeBody extends Omit<NewsEvent, 'kind'> {
  readonly format: 1;
  readonly event: Notice['event'];
  /** Where the job is stored: a bucket, a directory. */
  readonly store: string;
  readonly job: string | null;
  readonly name: string | null;
  readonly runKey: string | null;
  readonly schedule: string | null;
  readonly period: string | null;
  /** As in `batchctl status --json` when sending; null if there is no job, it can't be read, or is too large. */
  readonly status: unknown;
}

/** The notification of a job's event. An unreachable ledger doesn't prevent it. */
export async function jobNotice(platform: Platform, view: JobView, event: NewsEvent): Promise<Notice> {
  const { job, spec, runKey, period } = view.record;
  const status = await statusOf(platform, view).catch(nullIfBatchctlError);
  return noticeOf(platform, event, { job, name: spec.name, runKey, period, schedule: null, status });
}

/** The event of a firing, or with nulls of a group: it has no job. */
export function firingNotice(
  platform: Platform,
  event: NewsEvent,
  schedule: string | null,
  period: string | null,
): Notice {
  return noticeOf(platform, event, { ...NO_JOB, schedule, period });
}

function testNotice(platform: Platform, id: string): Notice {
  const text = `test event from batchctl notify test, by ${platform.who}: nothing has happened`;
  return noticeOf(platform, { id, kind: 'test', at: new Date(platform.clock.now()).toISOString(), text }, NO_JOB);
}

const NO_JOB = { job: null, name: null, runKey: null, period: null, schedule: null, status: null };

function noticeOf(
  { store }: Pick<Platform, 'store'>,
  { kind, id, at, text }: Omit<NewsEvent, 'kind'> & { readonly kind: Notice['event'] },
  about: Pick<NoticeBody, 'job' | 'name' | 'runKey' | 'schedule' | 'period' | 'status'>,
): Notice {
  const body: NoticeBody = { format: 1, id, event: kind, at, text, store: store.location, ...about };
  return { id, event: kind, job: about.job, body: bodyText(body) };
}

/** SNS accepts 256 KiB (sns: API_Publish), including a few hundred bytes of attributes and subject. */
const MOST_BYTES = 250 * 1024;

/** A body as sent: without the status if that is too large, for example with thousands of counters. */
export function bodyText(body: NoticeBody): string {
  const whole = JSON.stringify(body);
  return Buffer.byteLength(whole) <= MOST_BYTES ? whole : JSON.stringify({ ...body, status: null });
}

export interface TestedReceiver {
  /** For a URL, only the host. */
  readonly to: string;
  readonly id: string;
  readonly on: readonly string[];
  /** Null: the receiver accepted it. */
  readonly error: Error | null;
}

/** The receivers of a test: those of the profile, and of a job file if given; or a named one. */
export function receiversToTest(
  platform: Pick<Platform, 'notices' | 'workplace'>,
  job: { readonly spec: Pick<JobSpec, 'notify'>; readonly directory: string } | null,
): readonly (Receiver & { readonly on: ReadonlySet<string> })[] {
  if (job === null) return firingReceivers(platform, []);
  const { notify } = job.spec;
  const programs = notify
    .filter(({ to }) => isExecReceiver(to))
    .map(({ to, on }) => ({
      to: resolveExec(to, job.directory),
      on: new Set<string>(on),
      secret: null,
      trusted: true,
    }));
  return [...firingReceivers(platform, notify), ...programs];
}

/** Sends each receiver its own test event, in parallel, and returns the results. Nothing is recorded or retried. */
export async function testReceivers(
  platform: Platform,
  receivers: readonly (Receiver & { readonly on: ReadonlySet<string> })[],
  signal: AbortSignal,
): Promise<readonly TestedReceiver[]> {
  return Promise.all(
    receivers.map(async (receiver) => {
      const id = `test-${randomId(10)}`;
      const tested = { to: shownReceiver(receiver.to), id, on: [...receiver.on] };
      try {
        await platform.notices?.notifier.send(receiver, testNotice(platform, id), signal);
        return { ...tested, error: null };
      } catch (error) {
        if (!(error instanceof Error) || signal.aborted) throw error;
        return { ...tested, error };
      }
    }),
  );
}
