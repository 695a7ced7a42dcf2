import type { components, operations, paths } from './api.ts';

type Operation = keyof operations;

/** Method and path of an operation, as in the API's OpenAPI document. */
type RouteOf<Name extends Operation> = {
  [Path in keyof paths]: {
    [Method in keyof paths[Path]]: paths[Path][Method] extends operations[Name]
      ? `${Uppercase<Method & string>} ${Path}`
      : never;
  }[keyof paths[Path]];
}[keyof paths];

/** The calls that the page makes. */
export const API_ROUTES = {
  me: 'GET /api/v1/me',
  tasks: 'GET /api/v1/jobs/{job}/tasks',
  logs: 'GET /api/v1/jobs/{job}/logs',
  failures: 'GET /api/v1/jobs/{job}/failures',
  history: 'GET /api/v1/jobs/{job}/history',
  report: 'GET /api/v1/jobs/{job}/report',
  why: 'GET /api/v1/jobs/{job}/why',
  retry: 'POST /api/v1/jobs/{job}/retries',
  skip: 'POST /api/v1/jobs/{job}/skips',
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
} as const satisfies { readonly [Name in Operation]?: RouteOf<Name> };

export type ApiName = keyof typeof API_ROUTES;

type Given<T> = [NonNullable<T>] extends [never] ? unknown : NonNullable<T>;

type BodyOf<T> = T extends { requestBody?: { content: { 'application/json': infer Body } } } ? Body : unknown;

/** An operation's fields, wherever they are in the request: path, query or body. */
export type ApiInput<Name extends ApiName> = Given<operations[Name]['parameters']['path']> &
  Given<operations[Name]['parameters']['query']> &
  BodyOf<operations[Name]>;

type Answered<T> = T extends { responses: { 200: { content: { 'application/json': infer Document } } } }
  ? Document
  : never;

export type ApiAnswer<Name extends ApiName> = Answered<operations[Name]>;

/** A call as an HTTP request. */
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

type Schemas = components['schemas'];

/** Makes all nested fields required. The OpenAPI document leaves them optional, but answers of this version have them all. */
type Whole<T> = T extends readonly (infer Item)[]
  ? readonly Whole<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]-?: Whole<Exclude<T[Name], undefined>> }
    : T;

export type ApiError = Schemas['Error']['error'];

export type Me = Whole<Schemas['Me']>;

export type Overview = Whole<Schemas['Overview']>;

export type Status = Whole<Schemas['Status']>;

export type State = Status['state'];

export type StepStatus = Status['steps'][number];

export type Worker = Whole<Schemas['Workers']>;

export type Group = Whole<Schemas['Scale']>;

export type Queue = Whole<Schemas['Queue']>;

export type Firing = Whole<Schemas['ScheduleNext']>;

export type Schedule = Whole<Schemas['ScheduleLs']>;

export type Cause = Whole<Schemas['Failures']>;

export type Report = Whole<Schemas['Report']>;

export type Task = Whole<Schemas['Tasks']>;

export type Log = Whole<Schemas['Logs']>;

export type Entry = Whole<Schemas['History']>;

export type Finding = Whole<Schemas['Why']>['causes'][number];
