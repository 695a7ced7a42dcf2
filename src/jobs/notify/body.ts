import { isOurs } from '../../errors.ts';
import type { NewsEvent } from '../../model/notify.ts';
import type { JobView } from '../../model/view.ts';
import type { Notice } from '../../ports/notifier.ts';
import type { Platform } from '../../ports/platform.ts';
import { statusOf } from '../status.ts';

/** What receivers get, as JSON (docs/notify.md). */
export interface NoticeBody extends Omit<NewsEvent, 'kind'> {
  readonly format: 1;
  readonly event: Notice['event'];
  /** Where the job lies: a bucket, a directory. */
  readonly store: string;
  readonly job: string | null;
  readonly name: string | null;
  readonly runKey: string | null;
  readonly schedule: string | null;
  readonly period: string | null;
  /** As `batchctl status --json` has it, when this was sent; null where there is no job, it can't be read, or is too large. */
  readonly status: unknown;
}

/** What is told of a job's event. A ledger that is away keeps nobody from being told. */
export async function jobNotice(platform: Platform, view: JobView, event: NewsEvent): Promise<Notice> {
  const { job, spec, runKey, period } = view.record;
  const status = await statusOf(platform, view).catch((error: unknown) => {
    if (isOurs(error)) return null;
    throw error;
  });
  return noticeOf(platform, event, { job, name: spec.name, runKey, period, schedule: null, status });
}

export function firingNotice(platform: Platform, event: NewsEvent, schedule: string, period: string): Notice {
  return noticeOf(platform, event, { ...NO_JOB, schedule, period });
}

/** What `notify test` sends. */
export function testNotice(platform: Platform, id: string): Notice {
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

/** SNS takes 256 KiB in all (sns: API_Publish), attributes and subject among it; of these a few hundred bytes. */
const MOST_BYTES = 250 * 1024;

/** A body as it is sent: without the status where that is too large, as counters by the thousand make it, for any receiver. */
export function bodyText(body: NoticeBody): string {
  const whole = JSON.stringify(body);
  return Buffer.byteLength(whole) <= MOST_BYTES ? whole : JSON.stringify({ ...body, status: null });
}
