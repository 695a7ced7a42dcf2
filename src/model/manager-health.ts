import { gauge } from './metrics.ts';

export interface DutyHealth {
  readonly duty: string;
  /** When it last completed, ISO-8601 UTC; null: not yet. */
  readonly done: string | null;
  /** Start of its current run, ISO-8601 UTC; null: it isn't running. */
  readonly running: string | null;
  /** Since when it has been failing, and why; null: it isn't. */
  readonly failing: { readonly since: string; readonly message: string } | null;
  /** The part of its last run that failed, while the rest was done: `schedule claims: ...`. */
  readonly troubles: readonly string[];
}

export interface ManagerHealth {
  /** `failing`: the store does not answer, a duty fails or hangs, or a part of a duty can't be done. */
  readonly status: 'ok' | 'failing';
  /** Why the store doesn't answer, without which callers can't be authenticated; null: it does. */
  readonly store: string | null;
  /** When its certificate expires, ISO-8601 UTC; null: plain HTTP. */
  readonly certificateExpires: string | null;
  readonly duties: readonly DutyHealth[];
}

/** A run that lasts this long hangs, milliseconds: a sixth of the time after which the process ends. */
export const HANGS_MS = 5 * 60_000;

/** Whether a duty needs attention. `now` in milliseconds since the epoch. */
export function isTroubled({ failing, running, troubles }: DutyHealth, now: number): boolean {
  return failing !== null || troubles.length > 0 || (running !== null && now - Date.parse(running) >= HANGS_MS);
}

/** A manager's own figures in Prometheus' format, available whatever the stack's state. */
export function healthMetrics(
  { store, certificateExpires, duties }: ManagerHealth,
  { now, stackRead }: { readonly now: number; readonly stackRead: boolean },
): string {
  const of = (value: (duty: DutyHealth) => number | null) =>
    duties.flatMap((duty) => {
      const found = value(duty);
      return found === null ? [] : [{ labels: { duty: duty.duty }, value: found }];
    });
  const one = (value: number) => [{ labels: {}, value }];
  const seconds = (at: string): number => Math.floor(Date.parse(at) / 1_000);
  const lines = [
    ...gauge('batchctl_manager_store_up', 'Whether the store responds: 1 or 0.', one(store === null ? 1 : 0)),
    ...gauge(
      'batchctl_manager_stack_read',
      'Whether the metrics of the stack could be read: 1 or 0.',
      one(stackRead ? 1 : 0),
    ),
    ...gauge(
      'batchctl_manager_duty_done_timestamp_seconds',
      'When a duty last succeeded.',
      of(({ done }) => (done === null ? null : seconds(done))),
    ),
    ...gauge(
      'batchctl_manager_duty_failing',
      'Whether a duty fails or hangs: 1 or 0.',
      of((duty) => (isTroubled({ ...duty, troubles: [] }, now) ? 1 : 0)),
    ),
    ...gauge(
      'batchctl_manager_duty_troubles',
      'What the last run of a duty could not do, while the rest was done.',
      of(({ troubles }) => troubles.length),
    ),
    ...(certificateExpires === null
      ? []
      : gauge(
          'batchctl_manager_certificate_expires_timestamp_seconds',
          'When the certificate expires for callers that check dates.',
          one(seconds(certificateExpires)),
        )),
  ];
  return `${lines.join('\n')}\n`;
}
