import { refuseUnaffordable, wouldBeLimited } from '../jobs/cost/affordable.ts';
import { planOf } from '../jobs/plan.ts';
import { existingRun } from '../jobs/run-claims.ts';
import { closeInputs } from '../jobs/submit/inputs.ts';
import type { Prepared } from '../jobs/submit/prepare.ts';
import type { Context } from './context.ts';

/** Nothing of a forecast of work depends on the machine that submits. */
const UNLOADED = { slots: 1, load: { average: 0, cores: 1 } } as const;

/**
 * Throws `refused` where a limit on cost stands against a submission: `plan`'s forecast of it costs more, a price isn't
 * known, or the month has nothing left. Nothing is written before. Answers what to submit: to forecast it the inputs are
 * read, so that it is prepared again.
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
  // A job that is there already costs nothing more for being submitted again.
  if (!again && runKey !== null && (await existingRun(platform, runKey)) !== null) return prepared;
  const earlier = await (await platform.ledger()).jobs({ name: spec.name, states: ['succeeded'], limit: 1 });
  // What comes on stdin can be read once; what a caller from elsewhere reads is not here to be cut.
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
