import type {
  AdjustAnswer,
  ResumeAnswer,
  RetryAnswer,
  SkipAnswer,
  StateChangeAnswer,
  SubmitAnswer,
} from '../model/answers/changes.ts';
import type {
  ListedGroup,
  ListedQueue,
  ListedWorker,
  RedriveAnswer,
  WorkerLogs,
  WorkerOrderAnswer,
} from '../model/answers/grid.ts';
import type { HistoryLine } from '../model/answers/jobs.ts';
import type { Plan } from '../model/answers/plan.ts';
import type { ComparedReport } from '../model/answers/report.ts';
import type { ChangedSchedule, FiredPeriod, ListedSchedule, UpcomingFiring } from '../model/answers/schedules.ts';
import type { JobStatus } from '../model/answers/status.ts';
import type { AttemptLog, FailureCause, KillAnswer, ListedTask, WhyAnswer } from '../model/answers/tasks.ts';
import type { VerifyAnswer } from '../model/answers/verify.ts';
import type { ApiOverview, ApiPeriods, Me, ObjectPage } from '../model/api.ts';
import type { JobRecord } from '../model/job.ts';
import type { JobState } from '../model/job-state.ts';
import type { OutputManifest } from '../model/output.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';

interface Call<Input, Answer> {
  readonly input: Readonly<Input>;
  readonly answer: Answer;
}

interface List<Row> {
  readonly items: readonly Row[];
  /** The `after` of the next page; null: the list is complete. */
  readonly next: string | null;
}

/** The fields of a list in pages. */
type Paged<More> = More & { readonly limit?: Typed; readonly after?: string };

type OfJob<More = object> = { readonly job: string } & More;
/** A value of a verb's field: what a person typed, or a number. */
type Typed = string | number;

/** A stored object, as bytes that the manager sends itself: a page follows no redirect to a bucket. */
type OfKey = { readonly key: string; readonly through: true };

/** The fields of a submission and of its plan. `spec`: the text of a job file. */
export interface Submission {
  readonly spec: string;
  readonly code?: string;
  readonly input?: readonly string[];
  readonly set?: readonly string[];
  readonly runKey?: string;
  readonly again?: boolean;
  readonly period?: string;
  readonly finishBy?: string;
  readonly tz: string;
}

export type TaskState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped';

/** The input and answer of each call. A test compares the input with the verbs' own fields. */
export interface Calls {
  readonly me: Call<object, Me>;
  readonly periods: Call<{ tz: string }, ApiPeriods>;
  readonly tasks: Call<
    OfJob<{ step?: string; task?: string; state?: TaskState; cause?: string; after?: string; limit?: Typed }>,
    List<ListedTask>
  >;
  readonly logs: Call<Paged<OfJob<{ task?: string }>>, List<AttemptLog>>;
  readonly failures: Call<OfJob, List<FailureCause>>;
  readonly history: Call<Paged<OfJob>, List<HistoryLine>>;
  readonly report: Call<OfJob, ComparedReport>;
  readonly why: Call<OfJob, WhyAnswer>;
  readonly objectList: Call<{ prefix: string; after?: string; limit?: Typed }, ObjectPage>;
  readonly record: Call<OfKey, JobRecord>;
  readonly proof: Call<OfKey, { readonly when: string; readonly who: string; readonly result: VerifyResult }>;
  readonly manifest: Call<OfKey, OutputManifest>;
  readonly verify: Call<OfJob<{ deep?: boolean }>, VerifyAnswer>;
  readonly plan: Call<Submission, Plan>;
  readonly submit: Call<Submission, SubmitAnswer>;
  readonly retry: Call<
    OfJob<{ task?: readonly string[]; cause?: readonly string[]; step?: string; canary?: Typed }>,
    RetryAnswer
  >;
  readonly skip: Call<
    OfJob<{ task?: readonly string[]; cause?: readonly string[]; step?: string; reason?: string; undo?: boolean }>,
    SkipAnswer
  >;
  readonly kill: Call<OfJob<{ task?: string; step?: string; fail?: boolean }>, KillAnswer>;
  readonly pause: Call<OfJob<{ now?: boolean }>, StateChangeAnswer>;
  readonly resume: Call<OfJob, ResumeAnswer>;
  readonly cancel: Call<OfJob, StateChangeAnswer>;
  readonly adjust: Call<
    OfJob<{ finishBy?: string; maxCost?: Typed; tolerate?: Typed; maxRunning?: Typed; tz?: string }>,
    AdjustAnswer
  >;
  readonly scale: Call<
    { group?: string; n?: Typed; min?: Typed; max?: Typed; for?: string; auto?: boolean; manual?: boolean },
    List<ListedGroup>
  >;
  readonly workersLogs: Call<{ worker: string }, WorkerLogs>;
  readonly workersDrain: Call<{ worker: string }, WorkerOrderAnswer>;
  readonly workersStop: Call<{ worker: string }, WorkerOrderAnswer>;
  readonly queueRedrive: Call<{ group?: string; limit?: Typed }, List<RedriveAnswer>>;
  readonly scheduleLs: Call<object, List<ListedSchedule>>;
  readonly schedulePause: Call<{ name: string }, ChangedSchedule>;
  readonly scheduleResume: Call<{ name: string }, ChangedSchedule>;
  readonly scheduleRun: Call<{ name: string; period?: string }, FiredPeriod>;
}

export const API_ROUTES = {
  me: 'GET /api/v1/me',
  periods: 'GET /api/v1/periods',
  tasks: 'GET /api/v1/jobs/{job}/tasks',
  logs: 'GET /api/v1/jobs/{job}/logs',
  failures: 'GET /api/v1/jobs/{job}/failures',
  history: 'GET /api/v1/jobs/{job}/history',
  report: 'GET /api/v1/jobs/{job}/report',
  why: 'GET /api/v1/jobs/{job}/why',
  objectList: 'GET /api/v1/objects/list',
  record: 'GET /api/v1/objects',
  proof: 'GET /api/v1/objects',
  manifest: 'GET /api/v1/objects',
  verify: 'POST /api/v1/jobs/{job}/proofs',
  plan: 'POST /api/v1/plans',
  submit: 'POST /api/v1/jobs',
  retry: 'POST /api/v1/jobs/{job}/retries',
  skip: 'POST /api/v1/jobs/{job}/skips',
  kill: 'POST /api/v1/jobs/{job}/kills',
  pause: 'POST /api/v1/jobs/{job}/pauses',
  resume: 'POST /api/v1/jobs/{job}/resumptions',
  cancel: 'POST /api/v1/jobs/{job}/cancellations',
  adjust: 'PATCH /api/v1/jobs/{job}',
  scale: 'POST /api/v1/groups',
  workersLogs: 'GET /api/v1/workers/{worker}/logs',
  workersDrain: 'POST /api/v1/workers/{worker}/drains',
  workersStop: 'POST /api/v1/workers/{worker}/stops',
  queueRedrive: 'POST /api/v1/redrives',
  scheduleLs: 'GET /api/v1/schedules',
  schedulePause: 'POST /api/v1/schedules/{name}/pauses',
  scheduleResume: 'POST /api/v1/schedules/{name}/resumptions',
  scheduleRun: 'POST /api/v1/schedules/{name}/runs',
} as const satisfies { readonly [Name in keyof Calls]: string };

export type ApiName = keyof Calls;

/** The fields of a call, wherever they are in the request: path, query or body. */
export type ApiInput<Name extends ApiName> = Calls[Name]['input'];

export type ApiAnswer<Name extends ApiName> = DeepRequired<Calls[Name]['answer']>;

interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string | null;
}

/** Fills the path from the input; the other fields go into the query of a GET, or into the body. */
export function requestOf(route: string, input: Readonly<Record<string, unknown>>): ApiRequest {
  const [method = '', template = ''] = route.split(' ');
  const named = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const rest = Object.entries(input).filter(
    ([name, value]) => !named.includes(name) && value !== undefined && value !== null,
  );
  if (method !== 'GET') return { method, url: path, body: JSON.stringify(Object.fromEntries(rest)) };
  const query = new URLSearchParams(rest.map(([name, value]): [string, string] => [name, String(value)]));
  return { method, url: query.size === 0 ? path : `${path}?${query}`, body: null };
}

/** Makes nested fields required: they depend on the request, and this page requests them. */
type DeepRequired<T> = T extends readonly (infer Item)[]
  ? readonly DeepRequired<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]-?: DeepRequired<Exclude<T[Name], undefined>> }
    : T;

export type { ApiError, ApiPeriods as Periods, Me } from '../model/api.ts';

export type Overview = DeepRequired<ApiOverview>;
export type Status = DeepRequired<JobStatus>;
export type State = JobState;
export type StepStatus = Status['steps'][number];
export type Worker = DeepRequired<ListedWorker>;
export type Group = DeepRequired<ListedGroup>;
export type Queue = DeepRequired<ListedQueue>;
export type Firing = DeepRequired<UpcomingFiring>;
export type Schedule = DeepRequired<ListedSchedule>;
export type Cause = DeepRequired<FailureCause>;
export type Report = DeepRequired<ComparedReport>;
export type Task = DeepRequired<ListedTask>;
export type Entry = HistoryLine;
export type StoredProof = ApiAnswer<'proof'>;
export type Proof = StoredProof['result'];
export type AcceptedJob = ApiAnswer<'record'>;
export type PlanOf = ApiAnswer<'plan'>;
export type StoredObject = ObjectPage['items'][number];
export type Finding = DeepRequired<WhyAnswer>['causes'][number];
