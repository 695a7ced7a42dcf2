import type { Platform } from '../ports/platform.ts';
import { linkedGroups } from './linked-groups.ts';
import type { Look } from './look.ts';

/**
 * True if the queues of a step hold fewer messages than the jobs that share them miss together, by their last exact
 * looks: `all` lists those of the jobs that may be re-sent.
 */
export async function queueHoldsLess(
  platform: Pick<Platform, 'queue'>,
  { view, standing }: Look,
  all: readonly Look[],
): Promise<boolean> {
  const specs = all.map((look) => look.view.record.spec);
  for (const [index, step] of standing.steps.entries()) {
    if (step.undecided.count === 0) continue;
    const groups = linkedGroups(view.record.spec.steps[index]?.group ?? 'default', specs);
    let held = 0;
    for (const group of groups) {
      const { visible, leased, delayed } = await (await platform.queue(group)).held();
      held += visible + leased + delayed;
    }
    if (held < missingIn(groups, all)) return true;
  }
  return false;
}

function missingIn(groups: readonly string[], looks: readonly Look[]): number {
  let missing = 0;
  for (const { view, standing } of looks) {
    for (const [index, step] of standing.steps.entries()) {
      if (groups.includes(view.record.spec.steps[index]?.group ?? '')) missing += step.undecided.count;
    }
  }
  return missing;
}
