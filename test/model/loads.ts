import type { Fleet } from '../../src/model/capacity.ts';
import type { Load, LoadDeadline } from '../../src/model/load.ts';

/** 100 tasks of a minute and one slot each; without a limit or a deadline. */
export const loadOf = (fields: Partial<Load> = {}): Load => ({
  tasks: 100,
  seconds: 60,
  slots: 1,
  atOnce: null,
  ...fields,
});

/** The deadline of job `a` in five hours; its tasks all take the same time, and none are to come. */
export const dueOf = (fields: Partial<LoadDeadline> = {}): LoadDeadline => ({
  job: 'a',
  in: 5 * 3_600,
  coming: 0,
  deviation: 0,
  after: 0,
  ...fields,
});

/** A group of instances with two slots; none is running. */
export const fleetOf = (fields: Partial<Fleet> = {}): Fleet => ({
  slots: 2,
  current: 0,
  min: 0,
  max: 10_000,
  ...fields,
});

type SizingCase = readonly [what: string, loads: readonly Load[], instances: number, fleet?: Partial<Fleet>];

/** What the group does, its work, the instances that this takes, and its fleet. */
export const sizingCases = (cases: readonly SizingCase[]): readonly SizingCase[] => cases;
