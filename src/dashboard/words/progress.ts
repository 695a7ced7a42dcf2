import type { Status, StepStatus } from '../answers.ts';

/** Tasks of a step, or of a whole job. */
export interface Progress {
  /** Null while nobody can know it. */
  readonly total: number | null;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly retried: number;
  readonly interrupted: number;
}

/** The sum of a job's steps. A chain that ended counts once, where it ended. */
export function progressOf({ steps }: Pick<Status, 'steps'>): Progress {
  const sum = (of: (step: StepStatus) => number): number => steps.reduce((total, step) => total + of(step), 0);
  return {
    total: steps.some(({ total }) => total === null)
      ? null
      : sum(({ done, failed, skipped, running, waiting }) => done + failed + skipped + running + waiting),
    waiting: sum(({ waiting }) => waiting),
    running: sum(({ running }) => running),
    done: sum(({ done }) => done),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    retried: sum(({ retried }) => retried),
    interrupted: sum(({ interrupted }) => interrupted),
  };
}

/** What is decided of all, from 0 to 1; null while nobody can know it. */
export function shareDecided({ total, done, failed, skipped }: Progress): number | null {
  if (total === null) return null;
  return total === 0 ? 1 : Math.min(1, (done + failed + skipped) / total);
}

/** `62 %`; never 100 before the end. */
export function percentText(share: number): string {
  if (share >= 1) return '100 %';
  return `${Math.min(99, Math.floor(share * 100))} %`;
}
