import { BatchctlError } from '../errors.ts';
import { LONGEST_MS } from '../lib/wait.ts';
import { deliveryOf, isDeliveryDue } from '../model/delivery.ts';
import type { JobView } from '../model/view.ts';
import type { VerbContext } from './verb.ts';

/**
 * Delivers the outputs of a succeeded job, if due and possible from this machine. Returns the view afterwards. Throws
 * like `deliver`: the job is done, but the exit code must show that its outputs are missing. `seconds`: maximum wait,
 * then throws `notFinished`.
 */
export async function deliverJob(
  context: Pick<VerbContext, 'platform' | 'notice' | 'signal' | 'passed'>,
  view: JobView,
  seconds: number | null = null,
): Promise<JobView> {
  if (!isDeliveryDue(view)) return view;
  const [{ deliversHere }, { deliverNow }, { deliveryLine }] = await Promise.all([
    import('../jobs/deliver/deliver.ts'),
    import('../jobs/deliver/deliver.ts'),
    import('../jobs/deliver/delivery-line.ts'),
  ]);
  const { job } = view.record;
  const say = (of: JobView, more = ''): void => {
    const delivery = deliveryOf(of);
    if (delivery !== null) context.notice(`job ${job}: ${deliveryLine(delivery)}${more}`);
  };
  if (!deliversHere(view)) {
    say(view, `; deliver it with batchctl watch ${job}`);
    return view;
  }
  const late = seconds === null ? null : AbortSignal.timeout(Math.min(Math.max(0, seconds * 1_000), LONGEST_MS));
  const signal = late === null ? context.signal : AbortSignal.any([context.signal, late]);
  const options = { signal, passed: context.passed };
  const done = await deliverNow(await context.platform(), view, options).catch((error: unknown) => {
    if (late?.aborted !== true || context.signal.aborted) throw error;
    throw new BatchctlError('notFinished', `job ${job} succeeded, but is not delivered yet`, {
      hint: `batchctl wait ${job} delivers the rest`,
    });
  });
  say(done);
  return done;
}
