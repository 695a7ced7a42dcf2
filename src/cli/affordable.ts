import { refuseUnaffordable, wouldBeLimited } from '../jobs/cost/affordable.ts';
import { planOf } from '../jobs/plan.ts';
import { existingRun } from '../jobs/run-claims.ts';
import { closeInputs } from '../jobs/submit/inputs.ts';
import type { Prepared } from '../jobs/submit/prepare.ts';
import type { Context } from './context.ts';

/** A forecast of work does not depend on the submitting machine. */
const UNLOADED = { slots: 1, load: { average: 0, cores: 1 } } as const;

/**
 * Throws `refused` if a cost limit prevents a submission: `plan` forecasts a higher cost, a price is unknown, or the
 * month's budget is used up. Writes nothing. Returns the submission: forecasting reads the inputs, so it is prepared
 * again.
 */
export async function requireAffordable(
  ctx: Context,
  prepared: Prepared,
  { again, anew }: { readonly again: boolean; readonly anew: () => Promise<Prepared> },
): Promise<Prepared> {
  const platform = await ctx.platform();
  const { spec, runKey, request } = prepared;
  const maxCost = request.maxCost ?? null;
  if (!wouldBeLimited(platform, maxCost)) return prepared;
  // Submitting an existing job again costs nothing more.
  if (!again && runKey !== null && (await existingRun(platform, runKey)) !== null) return prepared;
  const earlier = await (await platform.ledger()).jobs({ name: spec.name, states: ['succeeded'], limit: 1 });
  // stdin can be read only once, and a remote caller's inputs are not here to be split.
  const forecasts = earlier.length > 0 && !request.inputs.includes('-') && (request.attachments ?? null) === null;
  if (!forecasts) {
    try {
      await refuseUnaffordable(platform, { spec, maxCost, expected: null });
      return prepared;
    } catch (error) {
      await closeInputs(prepared.inputs);
      throw error;
    }
  }
  const { forecast } = await planOf(platform, prepared, { ...UNLOADED, signal: ctx.signal });
  await refuseUnaffordable(platform, { spec, maxCost, expected: forecast?.cost ?? null });
  return await anew();
}
