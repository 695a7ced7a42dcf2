import type { ListedGroup, ListedQueue, ListedWorker } from '../model/answers/grid.ts';
import type { HistoryLine } from '../model/answers/jobs.ts';
import type { ComparedReport } from '../model/answers/report.ts';
import type { ListedSchedule, UpcomingFiring } from '../model/answers/schedules.ts';
import type { JobStatus } from '../model/answers/status.ts';
import type { FailureCause, ListedTask, WhyAnswer } from '../model/answers/tasks.ts';
import type { ApiOverview, ApiPeriods, Me, ObjectPage } from '../model/api.ts';
import type { JobRecord } from '../model/job.ts';
import type { JobState } from '../model/job-state.ts';
import type { OutputManifest } from '../model/output.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';
import { VERB_ROUTES, type VerbCalls } from './verb-calls.ts';

interface Call<Input, Answer> {
  readonly input: Readonly<Input>;
  readonly answer: Answer;
}

/** A stored object, as bytes that the manager sends itself: a page follows no redirect to a bucket. */
type OfKey = { readonly key: string; readonly through: true };

/** The calls of the manager itself, and of all verbs. */
interface Calls extends VerbCalls {
  readonly me: Call<object, Me>;
  readonly periods: Call<{ tz: string }, ApiPeriods>;
  readonly objectList: Call<{ prefix: string; after?: string; limit?: string | number }, ObjectPage>;
  readonly record: Call<OfKey, JobRecord>;
  readonly proof: Call<OfKey, { readonly when: string; readonly who: string; readonly result: VerifyResult }>;
  readonly manifest: Call<OfKey, OutputManifest>;
}

export const API_ROUTES = {
  ...VERB_ROUTES,
  me: 'GET /api/v1/me',
  periods: 'GET /api/v1/periods',
  objectList: 'GET /api/v1/objects/list',
  record: 'GET /api/v1/objects',
  proof: 'GET /api/v1/objects',
  manifest: 'GET /api/v1/objects',
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
  const query = new URLSearchParams(
    rest.flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, String(each)])),
  );
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
export type Submission = ApiInput<'submit'>;
export type TaskState = NonNullable<ApiInput<'tasks'>['state']>;
export type StoredObject = ObjectPage['items'][number];
export type Finding = DeepRequired<WhyAnswer>['causes'][number];
