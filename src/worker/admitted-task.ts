import type { StepSpec } from '../model/job.ts';
import type { Overrides } from '../model/journal.ts';
import type { TaskMessage } from '../model/message.ts';
import type { JobView } from '../model/view.ts';
import type { Delivery } from '../ports/task-queue.ts';

/** A delivery that a worker runs. */
export interface AdmittedTask {
  readonly kind: 'admitted';
  readonly delivery: Delivery;
  readonly message: TaskMessage;
  readonly view: JobView;
  readonly overrides: Overrides;
  /** As changed by its round. */
  readonly step: StepSpec;
  readonly index: number;
  /** Number of the attempt, from 1. */
  readonly number: number;
}

/** The facts for staging and running a task, with or without a delivery. */
export type Runnable = Omit<AdmittedTask, 'kind' | 'delivery'>;
