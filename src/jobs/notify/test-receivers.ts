import { randomId } from '../../lib/id.ts';
import type { JobSpec } from '../../model/job.ts';
import type { Notification } from '../../model/notify.ts';
import type { Receiver } from '../../ports/notifier.ts';
import type { Platform } from '../../ports/platform.ts';
import { testNotice } from './body.ts';
import { isProgram, programFrom, shownReceiver, toldOfFiring } from './receivers.ts';

export interface TestedReceiver {
  /** The host of a URL alone. */
  readonly to: string;
  /** The test event's id. */
  readonly id: string;
  readonly on: readonly string[];
  /** Null: it took it. */
  readonly error: Error | null;
}

/** Whom a test is sent to: those of the profile, and of a job file where one is given; or one that is named. */
export function receiversToTest(
  platform: Pick<Platform, 'notices' | 'remote'>,
  job: { readonly spec: Pick<JobSpec, 'notify'>; readonly directory: string } | null,
): readonly (Receiver & { readonly on: ReadonlySet<string> })[] {
  const whole = (one: Notification): Notification => {
    if (job === null || !isProgram(one.to)) return one;
    return { ...one, to: programFrom(one.to, job.directory) };
  };
  const programs = (job?.spec.notify ?? []).filter(({ to }) => isProgram(to)).map(whole);
  return [
    ...toldOfFiring(platform, job?.spec.notify ?? []),
    ...programs.map(({ to, on }) => ({ to, on: new Set<string>(on), secret: null, trusted: true })),
  ];
}

/** Sends each a test event of its own, at once, and answers what became of it. Nothing is noted, and nothing tried again. */
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
