import type { operations, paths } from './api.ts';

type Operation = keyof operations;

/** Method and path of an operation, as the API's document has them. */
type RouteOf<Name extends Operation> = {
  [Path in keyof paths]: {
    [Method in keyof paths[Path]]: paths[Path][Method] extends operations[Name]
      ? `${Uppercase<Method & string>} ${Path}`
      : never;
  }[keyof paths[Path]];
}[keyof paths];

/** What the page asks. */
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

/** An operation's fields, from wherever in the request: path, query or body. */
export type ApiInput<Name extends ApiName> = Given<operations[Name]['parameters']['path']> &
  Given<operations[Name]['parameters']['query']> &
  BodyOf<operations[Name]>;

type Answered<T> = T extends { responses: { 200: { content: { 'application/json': infer Document } } } }
  ? Document
  : never;
export type ApiAnswer<Name extends ApiName> = Answered<operations[Name]>;
