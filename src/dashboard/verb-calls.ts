// Made by `npm run api` from the declarations of the verbs.
import type {
  ADJUST_ANSWER,
  RESUME_ANSWER,
  RETRY_ANSWER,
  SKIP_ANSWER,
  STATE_CHANGE_ANSWER,
  SUBMIT_ANSWER,
} from '../model/answers/changes.ts';
import type { LISTED_DATA, PRUNE_ANSWER, REMOVED_DATA } from '../model/answers/data.ts';
import type {
  LISTED_GROUP,
  LISTED_QUEUE,
  LISTED_WORKER,
  PURGE_ANSWER,
  REDRIVE_ANSWER,
  WORKER_LOGS,
  WORKER_ORDER,
} from '../model/answers/grid.ts';
import type { HISTORY_LINE, LISTED_JOB } from '../model/answers/jobs.ts';
import type { PLAN } from '../model/answers/plan.ts';
import type { COMPARED_REPORT } from '../model/answers/report.ts';
import type {
  ADDED_SCHEDULE,
  CHANGED_SCHEDULE,
  FIRED_PERIOD,
  REMOVED_SCHEDULE,
  SCHEDULE,
  SCHEDULE_DETAILS,
  UPCOMING_FIRING,
} from '../model/answers/schedules.ts';
import type { Value } from '../model/answers/shapes.ts';
import type { JOB_STATUS } from '../model/answers/status.ts';
import type { ATTEMPT_LOG, FAILURE_CAUSE, KILL_ANSWER, LISTED_TASK, WHY_ANSWER } from '../model/answers/tasks.ts';
import type { CHECK_RESULT, REBUILD_ANSWER, TICK_ANSWER } from '../model/answers/upkeep.ts';
import type { VERIFY_ANSWER } from '../model/answers/verify.ts';

interface Call<Input, Answer> {
  readonly input: Readonly<Input>;
  readonly answer: Answer;
}

/** A list, or a page of it. */
interface List<Row> {
  readonly items: readonly Row[];
  /** The `after` of the next page; null: the list is complete. */
  readonly next: string | null;
}

/** A value of a verb's field: what a person typed, or a number. */
type Typed = string | number;

/** The input and answer of each call. */
export interface VerbCalls {
  readonly adjust: Call<
    {
      job: string;
      at?: Typed;
      finishBy?: Typed;
      maxCost?: Typed;
      tolerate?: Typed;
      maxRunning?: Typed;
      accept?: Typed;
      reason?: Typed;
      tz?: string;
      dryRun?: boolean;
    },
    Value<typeof ADJUST_ANSWER>
  >;
  readonly cancel: Call<{ job: string; tz?: string; dryRun?: boolean }, Value<typeof STATE_CHANGE_ANSWER>>;
  readonly doctor: Call<{ strict?: boolean; tz?: string }, List<Value<typeof CHECK_RESULT>>>;
  readonly failures: Call<{ job: string; cause?: Typed; tz?: string }, List<Value<typeof FAILURE_CAUSE>>>;
  readonly history: Call<{ job: string; limit?: Typed; after?: Typed; tz?: string }, List<Value<typeof HISTORY_LINE>>>;
  readonly jobs: Call<
    {
      state?: 'submitted' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
      name?: Typed;
      label?: readonly Typed[];
      since?: Typed;
      mine?: boolean;
      limit?: Typed;
      after?: Typed;
      tz?: string;
    },
    List<Value<typeof LISTED_JOB>>
  >;
  readonly kill: Call<
    { job: string; task?: Typed; step?: Typed; requeue?: boolean; fail?: boolean; tz?: string; dryRun?: boolean },
    Value<typeof KILL_ANSWER>
  >;
  readonly ledgerRebuild: Call<{ since?: Typed; tz?: string; dryRun?: boolean }, Value<typeof REBUILD_ANSWER>>;
  readonly logs: Call<
    { job: string; task?: Typed; failed?: boolean; limit?: Typed; after?: Typed; tz?: string },
    List<Value<typeof ATTEMPT_LOG>>
  >;
  readonly ls: Call<
    { prefix?: Typed; checksums?: boolean; limit?: Typed; after?: Typed; tz?: string },
    List<Value<typeof LISTED_DATA>>
  >;
  readonly pause: Call<
    { job: string; now?: boolean; tz?: string; dryRun?: boolean },
    Value<typeof STATE_CHANGE_ANSWER>
  >;
  readonly plan: Call<
    {
      input?: readonly Typed[];
      set?: readonly Typed[];
      runKey?: Typed;
      existing?: boolean;
      again?: boolean;
      period?: Typed;
      label?: readonly Typed[];
      finishBy?: Typed;
      maxCost?: Typed;
      expectInputs?: Typed;
      awaitInput?: Typed;
      allowEmpty?: boolean;
      allowIncomplete?: boolean;
      extend?: boolean;
      at?: Typed;
      name?: Typed;
      limit?: Typed;
      tz?: string;
      dryRun?: boolean;
      spec: object | string;
      code?: string;
    },
    Value<typeof PLAN>
  >;
  readonly prune: Call<{ olderThan?: Typed; all?: boolean; tz?: string; dryRun?: boolean }, Value<typeof PRUNE_ANSWER>>;
  readonly queue: Call<{ group?: Typed; tz?: string }, List<Value<typeof LISTED_QUEUE>>>;
  readonly queuePurge: Call<
    { group?: Typed; job?: Typed; confirm?: Typed; tz?: string; dryRun?: boolean },
    Value<typeof PURGE_ANSWER>
  >;
  readonly queueRedrive: Call<
    { group?: Typed; job?: Typed; task?: Typed; limit?: Typed; tz?: string; dryRun?: boolean },
    List<Value<typeof REDRIVE_ANSWER>>
  >;
  readonly report: Call<{ job: string; compare?: Typed; regress?: Typed; tz?: string }, Value<typeof COMPARED_REPORT>>;
  readonly resume: Call<
    { job: string; scale?: boolean; tz?: string; dryRun?: boolean; spec?: object | string; code?: string },
    Value<typeof RESUME_ANSWER>
  >;
  readonly retry: Call<
    {
      job: string;
      task?: readonly Typed[];
      cause?: readonly Typed[];
      step?: Typed;
      canary?: Typed;
      timeout?: Typed;
      set?: readonly Typed[];
      scale?: boolean;
      tz?: string;
      dryRun?: boolean;
      spec?: object | string;
      code?: string;
    },
    Value<typeof RETRY_ANSWER>
  >;
  readonly rm: Call<{ key: readonly Typed[]; tz?: string; dryRun?: boolean }, List<Value<typeof REMOVED_DATA>>>;
  readonly scale: Call<
    {
      n?: Typed;
      group?: Typed;
      min?: Typed;
      max?: Typed;
      auto?: boolean;
      manual?: boolean;
      for?: Typed;
      slots?: Typed;
      tz?: string;
      dryRun?: boolean;
    },
    List<Value<typeof LISTED_GROUP>>
  >;
  readonly scaleShow: Call<{ group?: Typed; tz?: string }, List<Value<typeof LISTED_GROUP>>>;
  readonly scheduleAdd: Call<
    {
      name: Typed;
      cron?: Typed;
      calendar?: Typed;
      time?: Typed;
      holidays?: readonly string[];
      monthBefore?: boolean;
      catchUp?: Typed;
      input?: readonly Typed[];
      set?: readonly Typed[];
      label?: readonly Typed[];
      finishBy?: Typed;
      maxCost?: Typed;
      expectInputs?: Typed;
      awaitInput?: Typed;
      allowEmpty?: boolean;
      allowIncomplete?: boolean;
      replace?: boolean;
      tz?: string;
      dryRun?: boolean;
      spec: object | string;
      code?: string;
    },
    Value<typeof ADDED_SCHEDULE>
  >;
  readonly scheduleLs: Call<{ tz?: string }, List<Value<typeof SCHEDULE>>>;
  readonly scheduleNext: Call<{ name?: Typed; tz?: string }, List<Value<typeof UPCOMING_FIRING>>>;
  readonly schedulePause: Call<{ name: string; tz?: string; dryRun?: boolean }, Value<typeof CHANGED_SCHEDULE>>;
  readonly scheduleResume: Call<{ name: string; tz?: string; dryRun?: boolean }, Value<typeof CHANGED_SCHEDULE>>;
  readonly scheduleRm: Call<{ name: string; tz?: string; dryRun?: boolean }, Value<typeof REMOVED_SCHEDULE>>;
  readonly scheduleRun: Call<
    {
      name: string;
      period?: Typed;
      existing?: boolean;
      again?: boolean;
      scale?: boolean;
      tz?: string;
      dryRun?: boolean;
    },
    Value<typeof FIRED_PERIOD>
  >;
  readonly scheduleShow: Call<{ name: string; tz?: string }, Value<typeof SCHEDULE_DETAILS>>;
  readonly skip: Call<
    {
      job: string;
      task?: readonly Typed[];
      cause?: readonly Typed[];
      step?: Typed;
      reason?: Typed;
      undo?: boolean;
      tz?: string;
      dryRun?: boolean;
    },
    Value<typeof SKIP_ANSWER>
  >;
  readonly status: Call<{ job: string; tz?: string }, Value<typeof JOB_STATUS>>;
  readonly submit: Call<
    {
      input?: readonly Typed[];
      set?: readonly Typed[];
      runKey?: Typed;
      existing?: boolean;
      again?: boolean;
      period?: Typed;
      label?: readonly Typed[];
      finishBy?: Typed;
      maxCost?: Typed;
      expectInputs?: Typed;
      awaitInput?: Typed;
      allowEmpty?: boolean;
      allowIncomplete?: boolean;
      extend?: boolean;
      at?: Typed;
      name?: Typed;
      scale?: boolean;
      stays?: boolean;
      tz?: string;
      dryRun?: boolean;
      spec: object | string;
      code?: string;
    },
    Value<typeof SUBMIT_ANSWER>
  >;
  readonly tasks: Call<
    {
      job: string;
      task?: Typed;
      step?: Typed;
      state?: 'waiting' | 'running' | 'done' | 'failed' | 'skipped';
      limit?: Typed;
      cause?: Typed;
      input?: Typed;
      param?: readonly Typed[];
      after?: Typed;
      tz?: string;
    },
    List<Value<typeof LISTED_TASK>>
  >;
  readonly tick: Call<{ tz?: string; dryRun?: boolean }, Value<typeof TICK_ANSWER>>;
  readonly verify: Call<
    { job: string; repair?: boolean; deep?: boolean; tz?: string; dryRun?: boolean },
    Value<typeof VERIFY_ANSWER>
  >;
  readonly why: Call<{ job: string; tz?: string }, Value<typeof WHY_ANSWER>>;
  readonly workers: Call<{ group?: Typed; all?: boolean; tz?: string }, List<Value<typeof LISTED_WORKER>>>;
  readonly workersDrain: Call<{ worker: string; tz?: string; dryRun?: boolean }, Value<typeof WORKER_ORDER>>;
  readonly workersLogs: Call<{ worker: string; tz?: string }, Value<typeof WORKER_LOGS>>;
  readonly workersStop: Call<{ worker: string; tz?: string; dryRun?: boolean }, Value<typeof WORKER_ORDER>>;
}

export const VERB_ROUTES = {
  adjust: 'PATCH /api/v1/jobs/{job}',
  cancel: 'POST /api/v1/jobs/{job}/cancellations',
  doctor: 'GET /api/v1/checks',
  failures: 'GET /api/v1/jobs/{job}/failures',
  history: 'GET /api/v1/jobs/{job}/history',
  jobs: 'GET /api/v1/jobs',
  kill: 'POST /api/v1/jobs/{job}/kills',
  ledgerRebuild: 'POST /api/v1/rebuilds',
  logs: 'GET /api/v1/jobs/{job}/logs',
  ls: 'GET /api/v1/data',
  pause: 'POST /api/v1/jobs/{job}/pauses',
  plan: 'POST /api/v1/plans',
  prune: 'POST /api/v1/prunings',
  queue: 'GET /api/v1/queues',
  queuePurge: 'POST /api/v1/purges',
  queueRedrive: 'POST /api/v1/redrives',
  report: 'GET /api/v1/jobs/{job}/report',
  resume: 'POST /api/v1/jobs/{job}/resumptions',
  retry: 'POST /api/v1/jobs/{job}/retries',
  rm: 'POST /api/v1/removals',
  scale: 'POST /api/v1/groups',
  scaleShow: 'GET /api/v1/groups',
  scheduleAdd: 'POST /api/v1/schedules',
  scheduleLs: 'GET /api/v1/schedules',
  scheduleNext: 'GET /api/v1/firings',
  schedulePause: 'POST /api/v1/schedules/{name}/pauses',
  scheduleResume: 'POST /api/v1/schedules/{name}/resumptions',
  scheduleRm: 'DELETE /api/v1/schedules/{name}',
  scheduleRun: 'POST /api/v1/schedules/{name}/runs',
  scheduleShow: 'GET /api/v1/schedules/{name}',
  skip: 'POST /api/v1/jobs/{job}/skips',
  status: 'GET /api/v1/jobs/{job}',
  submit: 'POST /api/v1/jobs',
  tasks: 'GET /api/v1/jobs/{job}/tasks',
  tick: 'POST /api/v1/rounds',
  verify: 'POST /api/v1/jobs/{job}/proofs',
  why: 'GET /api/v1/jobs/{job}/why',
  workers: 'GET /api/v1/workers',
  workersDrain: 'POST /api/v1/workers/{worker}/drains',
  workersLogs: 'GET /api/v1/workers/{worker}/logs',
  workersStop: 'POST /api/v1/workers/{worker}/stops',
} as const satisfies { readonly [Name in keyof VerbCalls]: string };
