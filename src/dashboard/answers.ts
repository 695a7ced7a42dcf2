import type { components } from './api.ts';

type Schemas = components['schemas'];

/** The document says of inner fields what they are, not that they are there: an answer of this version has them all. */
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
