import { TOO_MANY } from '../decide.ts';
import type { Cause } from './cause.ts';
import type { Snapshot } from './snapshot.ts';
import { many } from './words.ts';

/** An `explode` made more files than the job may have tasks: whoever was to open the step behind it closed the job. */
export function tooManyFiles({ view }: Snapshot): Cause | null {
  const { closed } = view;
  if (closed?.reason !== TOO_MANY) return null;
  const { steps, maxTasks } = view.record.spec;
  const exploding = steps.find(({ explode }, index) => explode && !view.exploded.has(index + 1));
  return {
    code: 'tooManyFiles',
    severity: 'fails',
    title: `${exploding?.name ?? 'a step'} made more files than the job may have tasks: maxTasks is ${many(maxTasks, 'task')}`,
    evidence: [`closed at ${closed.when}`],
    mend: 'submit the job again with a larger maxTasks, or with fewer, larger files',
  };
}
