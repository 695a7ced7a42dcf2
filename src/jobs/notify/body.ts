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
  /** As `batchctl status --json` has it, when this was sent; null where there is no job, or it can't be read just then. */
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
  const text = `batchctl notify test, by ${platform.who}: nothing has happened`;
  return noticeOf(platform, { id, kind: 'test', at: new Date(platform.clock.now()).toISOString(), text }, NO_JOB);
}

const NO_JOB = { job: null, name: null, runKey: null, period: null, schedule: null, status: null };

function noticeOf(
  { store }: Pick<Platform, 'store'>,
  { kind, id, at, text }: Omit<NewsEvent, 'kind'> & { readonly kind: Notice['event'] },
  about: Pick<NoticeBody, 'job' | 'name' | 'runKey' | 'schedule' | 'period' | 'status'>,
): Notice {
  const body: NoticeBody = { format: 1, id, event: kind, at, text, store: store.location, ...about };
  return { id, event: kind, job: about.job, body: JSON.stringify(body) };
}
