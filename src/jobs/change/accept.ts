import { BatchctlError } from '../../errors.ts';
import { unmetText } from '../../model/expect.ts';
import { UNMET_REASON } from '../../model/journal.ts';
import { requireLegal } from '../../model/legal.ts';
import { changedExpect } from '../../model/overrides.ts';
import { acceptanceOf, type JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { refreshView } from '../journal.ts';
import { recordView } from '../record-view.ts';
import { beginRound } from '../round-marks.ts';
import { expectationsOf } from '../totals.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';

export interface AcceptOptions {
  /** The equation as written in the job file, or its number there, from 1. */
  readonly total: string;
  readonly reason: string;
  /** True only reports what would be accepted. */
  readonly dryRun: boolean;
}

interface AcceptResult {
  readonly view: JobView;
  readonly equation: string;
  readonly left: string;
  readonly right: string;
  /** False if it was already accepted with these sides, and in a dry run. */
  readonly changed: boolean;
}

/**
 * Accepts that a control total which failed a job does not hold, with the sides that it has now. Reopens the job in a
 * new round, as a skip does: mark, entry, look. The job then closes as succeeded unless another total fails it. If a
 * retry changes a side, the total needs a new decision. Throws `refused` for a job that no total failed, for a total
 * that holds or can't be evaluated, and `notFound` for one that the job doesn't have.
 */
export async function acceptTotal(platform: Platform, seen: JobView, options: AcceptOptions): Promise<AcceptResult> {
  for (let view = await refreshView(platform.store, seen); ; ) {
    const equation = equationOf(view, options.total);
    const known = view.acceptedTotals.findLast((each) => each.equation === equation);
    // Repeated after a success: said, not written again.
    if (known !== undefined && view.closed?.state === 'succeeded') return { view, ...sidesOf(known), changed: false };
    // The look completes an acceptance that died between its entry and its look.
    if (known !== undefined && view.closed === null && !view.cancelled && !options.dryRun)
      return { view: (await lookAndNotify(platform, view)).view, ...sidesOf(known), changed: false };
    requireLegal(view, 'accept');
    requireUnmet(view);
    const found = await unmetTotal(platform, view, equation);
    if (acceptanceOf(view, found) !== null || options.dryRun) return { view, ...found, changed: false };
    const entry = { what: 'accept', ...found, reason: options.reason, round: view.round + 1 } as const;
    const { view: after, appended } = await beginRound(platform, view, entry);
    view = after;
    // Another entry came first and may have changed a side.
    if (!appended) continue;
    await recordView(platform, view);
    return { view: (await lookAndNotify(platform, view)).view, ...found, changed: true };
  }
}

type Sides = Pick<AcceptResult, 'equation' | 'left' | 'right'>;

const sidesOf = ({ equation, left, right }: Sides): Sides => ({ equation, left, right });

function equationOf({ record, overrides }: JobView, total: string): string {
  const expect = changedExpect(record, overrides);
  const found = /^\d+$/.test(total) ? expect[Number(total) - 1] : expect.find((each) => plain(each) === plain(total));
  if (found !== undefined) return found;
  const all = expect.map((equation, n) => `${n + 1}: ${equation}`).join('; ');
  throw new BatchctlError('notFound', `job ${record.job} has no control total "${total}"`, {
    hint: all === '' ? 'it has no control totals' : `it has ${all}`,
  });
}

/** White space doesn't matter. */
const plain = (equation: string): string => equation.replace(/\s+/g, ' ').trim();

function requireUnmet({ record, closed }: JobView): void {
  if (closed?.reason === UNMET_REASON) return;
  const { job } = record;
  throw new BatchctlError(
    'refused',
    `job ${job} failed for another reason (${closed?.reason}), not by a control total`,
    {
      hint: `batchctl why ${job}`,
    },
  );
}

async function unmetTotal({ store }: Platform, view: JobView, equation: string): Promise<Sides> {
  const { job } = view.record;
  const found = (await expectationsOf(store, view)).find((each) => each.equation === equation);
  if (found === undefined || found.ok) {
    throw new BatchctlError('refused', `${equation} holds in job ${job}: there is nothing to accept`, {
      hint: `batchctl verify ${job} shows all control totals`,
    });
  }
  const { left, right } = found;
  if (left !== null && right !== null) return { equation, left, right };
  throw new BatchctlError('refused', `${unmetText(found)}; a total without two sides can't be accepted`, {
    hint: `correct or remove it in the job file, then batchctl retry ${job} --with JOBFILE`,
  });
}
