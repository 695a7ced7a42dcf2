import type { JobStatus } from '../model/answers/status.ts';
import { failedPrefix, taskOfFailed } from '../model/keys.ts';
import type { LedgerTask } from '../model/ledger/records.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { readFailed } from './failures.ts';

/** Rows searched for a failure in the job's last round. */
const ROWS = 50;

export interface ReportedFailure extends Pick<LedgerTask, 'task' | 'exitCode' | 'reason' | 'error'> {
  readonly step: string;
}

/** Why a task of the job's last round failed for good; null if none did, or that can't be read. */
export async function firstFailureOf(platform: Platform, view: JobView): Promise<ReportedFailure | null> {
  let found: ReportedFailure | null = null;
  const first = new FirstFailure(platform, view, (failure) => {
    found = failure;
  });
  first.finish();
  await first.idle();
  return found;
}

/**
 * Reports once why a job's first task failed for good: one failure shows the cause even if all tasks will fail. Costs
 * one small read; if that fails, `failures` still has the reason.
 */
export class FirstFailure {
  readonly #platform: Platform;
  readonly #view: JobView;
  readonly #onFailure: (failure: ReportedFailure) => void;
  #reading: Promise<void> = Promise.resolve();
  #told = false;
  #most = 0;

  constructor(platform: Platform, view: JobView, onFailure: (failure: ReportedFailure) => void) {
    this.#platform = platform;
    this.#view = view;
    this.#onFailure = onFailure;
  }

  /** Looks up a failure if the status has more than before, until one was reported. */
  update({ steps }: Pick<JobStatus, 'steps'>): void {
    const failed = steps.reduce((sum, step) => sum + step.failed, 0);
    if (this.#told || failed <= this.#most) return;
    this.#most = failed;
    const failing = steps.findIndex((step) => step.failed > 0);
    this.#reading = this.#reading.then(() => this.#look(failing)).catch(() => undefined);
  }

  /** Looks up a failure of a job that failed, unless one was reported: the ledger may not have counted it yet. */
  finish(): void {
    for (const step of this.#view.record.spec.steps.keys()) {
      this.#reading = this.#reading.then(() => (this.#told ? undefined : this.#look(step))).catch(() => undefined);
    }
  }

  /** Resolves once pending look-ups are reported. */
  idle(): Promise<void> {
    return this.#reading;
  }

  async #look(step: number): Promise<void> {
    const { job, spec } = this.#view.record;
    const name = spec.steps[step]?.name ?? '';
    const ledger = await this.#platform.ledger();
    const rows = await ledger.tasks(job, { step: name, states: ['failed'], limit: ROWS });
    const row = rows.find(({ round }) => round === this.#view.round) ?? (await this.#inStore(step, name));
    if (row === null || this.#told) return;
    this.#told = true;
    const { task, exitCode, reason, error } = row;
    this.#onFailure({ step: name, task, exitCode, reason, error });
  }

  /** A failure of the last round that the ledger doesn't have yet. */
  async #inStore(step: number, name: string): Promise<Omit<ReportedFailure, 'step'> | null> {
    for await (const key of this.#platform.store.keys(failedPrefix(this.#view.record.job, name))) {
      const at = taskOfFailed(key);
      if (at?.round !== this.#view.round) continue;
      const found = await readFailed(this.#platform, this.#view, step, at.task);
      return found && { ...found, task: at.task };
    }
    return null;
  }
}
