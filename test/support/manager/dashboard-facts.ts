import type { Group, Overview, Status, Worker } from '../../../src/dashboard/api-routes.ts';

/** Answers of a manager on AWS, for what a local one never has. */

export const STEP: Status['steps'][number] = {
  name: 'price',
  group: 'default',
  total: 100,
  waiting: 50,
  running: 10,
  done: 37,
  failed: 2,
  skipped: 1,
  allEmpty: false,
  late: 0,
  retried: 4,
  interrupted: 0,
};

/** A step without failed tasks: nothing about it needs a person. */
export const CALM_STEP = { ...STEP, failed: 0 };

export const statusOf = (changed: Partial<Status> = {}): Status => ({
  job: 'claims-1',
  name: 'claims',
  runKey: 'claims-2026-11',
  round: 0,
  asked: 0,
  state: 'running',
  reason: null,
  detail: null,
  exact: false,
  incomplete: false,
  steps: [STEP],
  rate: 2,
  eta: 30,
  finishBy: null,
  projected: null,
  projectedEarliest: null,
  projectedLatest: null,
  cost: null,
  costProjected: null,
  maxCost: null,
  costUnknown: [],
  counters: {},
  accepted: [],
  workers: { running: 1, slots: 2 },
  keeper: 'manager-1',
  notBefore: null,
  createdAt: '2026-11-30T03:00:00Z',
  closedAt: null,
  prunedAt: null,
  delivery: null,
  untold: [],
  rehearsal: null,
  created: false,
  output: null,
  journalHole: null,
  ...changed,
});

/** An instance with a busy worker. */
export const workerOf = (changed: Partial<Worker> = {}): Worker => ({
  worker: 'w-aaaaaaaaaa',
  group: 'default',
  host: 'i-0123456789abcdef0',
  pid: 812,
  version: '0.1.0',
  state: 'busy',
  slots: 2,
  busy: ['claims-1/price/7'],
  done: 1_204,
  failed: 0,
  seen: '2026-11-30T04:00:00Z',
  since: '2026-11-30T03:02:00Z',
  instance: 'i-0123456789abcdef0',
  type: 'c7g.large',
  zone: 'eu-west-1a',
  lifecycle: 'InService',
  protected: true,
  denied: null,
  ...changed,
});

export const groupOf = (changed: Partial<Group> = {}): Group => ({
  group: 'default',
  desired: 40,
  min: 0,
  max: 200,
  mode: 'auto',
  running: 31,
  until: null,
  inService: 34,
  pending: 6,
  terminating: 2,
  protected: 30,
  visible: 5_120,
  leased: 62,
  delayed: 0,
  drain: 1_640,
  held: null,
  troubles: [],
  ...changed,
});

export const queueOf = (changed: Partial<Overview['queues'][number]> = {}): Overview['queues'][number] => ({
  group: 'default',
  visible: 0,
  leased: 0,
  delayed: 0,
  dead: 0,
  oldest: null,
  ...changed,
});

export const overviewOf = (changed: Partial<Overview> = {}): Overview => ({
  now: '2026-11-30T04:00:00Z',
  keeper: 'manager-1',
  jobs: [],
  more: false,
  workers: [],
  groups: [],
  queues: [],
  firings: [],
  troubles: [],
  ...changed,
});
