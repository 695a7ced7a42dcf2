// Protects: `why` names the true cause when a job doesn't progress, most severe first.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { foldJournal } from '../../../src/model/view.ts';
import { CAUSE_CODES, type Cause, formatList, SEVERITIES } from '../../../src/model/why/cause.ts';
import { causesOf, rank } from '../../../src/model/why/causes.ts';
import type {
  GroupSnapshot,
  Snapshot,
  StepSnapshot,
  Trouble,
  WorkerSnapshot,
} from '../../../src/model/why/snapshot.ts';
import type { LedgerTask } from '../../../src/ports/ledger.ts';
import type { GroupStatus } from '../../../src/ports/worker-group.ts';
import { viewOf } from '../job-of.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const view = viewOf(
  [{ what: 'sent' }],
  `name: claims
input: { from: a.csv, split: { by: file } }
steps: [{ name: price, run: [cat] }]
`,
);
const { record } = view;
const STEP = 'price';

const step: StepSnapshot = {
  ...{ name: STEP, group: 'default', opened: false },
  ...{ total: 10, published: 0, failed: 0, skipped: 0, undecided: 10, some: [0, 1, 2] },
};
const worker: WorkerSnapshot = {
  ...{ worker: 'w-1', group: 'default', host: 'h', pid: 1, version: record.version, state: 'busy', slots: 2 },
  ...{ busy: [`${record.job}/${STEP}/0`], done: 0, failed: 0, startedAt: NOW - 60_000, seenAt: NOW },
};
const mine = {
  visible: 9,
  leased: 1,
  leaseEnd: NOW + 9_000,
  delayed: 0,
  nextDue: null,
  lastDue: null,
  delayedBodies: [],
};
const group: GroupSnapshot = {
  ...{ group: 'default', undecided: 10, size: null, supervisor: null, backlog: null, mine, missing: 0 },
  ...{ newerFormat: null, workers: [worker], machines: [], launchTroubles: [], hold: null },
};
const seen: Snapshot = {
  ...{ now: NOW, leaseSeconds: 15, version: '0.1.0', view, cancelledBy: null, steps: [step], counts: [], running: [] },
  ...{ histories: [], groups: [group], deadLetters: [], failures: [], canaries: null, durations: new Map() },
  ...{ earlier: null, disks: [], credentials: null, troubles: [] },
};
const codes = (change: Partial<Snapshot>): readonly string[] =>
  causesOf({ ...seen, ...change }).map(({ code }) => code);
const inGroup = (change: Partial<GroupSnapshot>): Partial<Snapshot> => ({ groups: [{ ...group, ...change }] });
const sized: GroupStatus = {
  ...{ group: 'default', desired: 2, min: 0, max: 4, running: 0, until: null },
  mode: 'manual',
};

const trouble = (change: Partial<Trouble>): Trouble => ({
  ...{ service: 'queue', group: null, kind: 'unavailable', message: 'EIO', hint: null, denied: null },
  ...change,
});

describe('why, as a function of a snapshot', () => {
  it('finds nothing if tasks run and more wait', () => {
    expect(codes({})).to.deep.equal([]);
  });

  it('ranks by severity first, then in the order of the codes', () => {
    const made = (code: Cause['code'], severity: Cause['severity']): Cause => ({
      ...{ code, severity, title: '', evidence: [], mend: '' },
    });
    const ranked = rank([
      made('ledgerBehind', 'note'),
      made('backoff', 'waits'),
      made('straggler', 'slows'),
      made('noWorker', 'stops'),
      made('failing', 'fails'),
      made('paused', 'stops'),
    ]);
    expect(ranked.map(({ code }) => code)).to.deep.equal([
      ...['paused', 'noWorker', 'failing', 'straggler', 'backoff', 'ledgerBehind'],
    ]);
  });

  it('has every code in docs/json.md', () => {
    const page = readFileSync(new URL('../../../docs/json.md', import.meta.url), 'utf8');
    const [, listed = ''] = /^Codes: ([^.]+)\./m.exec(page) ?? [];
    expect(listed.split(/,\s+/)).to.deep.equal([...CAUSE_CODES]);
  });

  it('has every code and severity once', () => {
    expect(new Set(CAUSE_CODES).size).to.equal(CAUSE_CODES.length);
    expect(new Set(SEVERITIES).size).to.equal(SEVERITIES.length);
  });

  for (const { what, change, expected } of [
    { what: 'no worker and no size', change: inGroup({ workers: [] }), expected: ['noWorker'] },
    {
      what: 'a lost worker counts as none',
      change: inGroup({ workers: [{ ...worker, state: 'lost', busy: [] }] }),
      expected: ['noWorker'],
    },
    {
      what: 'a size and a live supervisor',
      change: inGroup({ workers: [], size: sized, supervisor: { alive: true, log: null, said: [] } }),
      expected: ['workerStarting'],
    },
    {
      what: 'a size and a dead supervisor',
      change: inGroup({ workers: [], size: sized, supervisor: { alive: false, log: null, said: [] } }),
      expected: ['supervisorDead'],
    },
    {
      what: 'a group without work',
      change: { groups: [group, { ...group, group: 'gpu', undecided: 0, workers: [] }] },
      expected: [],
    },
    {
      what: 'all slots busy with other jobs, and the job’s messages delayed',
      change: inGroup({
        workers: [{ ...worker, busy: ['x/s/1', 'x/s/2'] }],
        mine: { ...mine, visible: 0, leased: 0, delayed: 10, nextDue: NOW + 5_000, lastDue: NOW + 9_000 },
      }),
      expected: ['backoff'],
    },
    {
      what: 'tasks delayed because of a newer format, not of failures',
      change: inGroup({
        mine: { ...mine, visible: 0, leased: 0, delayed: 10, nextDue: NOW + 5_000 },
        newerFormat: 2,
      }),
      expected: ['newerFormat'],
    },
    { what: 'missing tasks', change: inGroup({ missing: 4 }), expected: ['missingTasks'] },
    {
      what: 'missing tasks that are among the dead letters',
      change: {
        ...inGroup({ missing: 1 }),
        deadLetters: [{ group: 'default', step: STEP, task: 1, reason: 'not JSON' }],
      },
      expected: ['deadLetters'],
    },
    {
      what: 'a disk with little free space in percent, but enough in bytes',
      change: { disks: [{ what: 'the store', path: '/d', free: 20e9, total: 1e12, freeFiles: 1e6 }] },
      expected: [],
    },
    {
      what: 'a disk without free inodes',
      change: { disks: [{ what: 'the store', path: '/d', free: 9e11, total: 1e12, freeFiles: 0 }] },
      expected: ['diskFull'],
    },
    {
      what: 'an unreachable service ranks before everything else',
      change: {
        ...inGroup({ workers: [] }),
        troubles: [trouble({ service: 'store', kind: 'unavailable' })],
      },
      expected: ['storeUnreachable', 'noWorker'],
    },
    {
      what: 'a queue that is gone',
      change: { troubles: [trouble({ group: 'default', kind: 'notFound' })] },
      expected: ['queueGone'],
    },
    {
      what: 'credentials that are refused',
      change: { troubles: [trouble({ kind: 'credentials' })] },
      expected: ['credentialsRefused'],
    },
    {
      what: 'an action that a policy denies',
      change: { troubles: [trouble({ kind: 'credentials', denied: 'sqs:GetQueueUrl on arn:aws:sqs:x' })] },
      expected: ['accessDenied'],
    },
    {
      what: 'credentials that expire within the hour',
      change: { credentials: { endsAt: NOW + 600_000, renewed: false, signIn: 'aws sso login' } },
      expected: ['credentialsEnding'],
    },
    {
      what: 'credentials that expire within the hour and are renewed',
      change: { credentials: { endsAt: NOW + 600_000, renewed: true, signIn: '' } },
      expected: [],
    },
  ]) {
    it(`${what}: ${expected.join(', ') || 'nothing'}`, () => {
      expect(codes(change)).to.deep.equal(expected);
    });
  }

  it('says that a message is due in 0ms, if its time has passed', () => {
    const due = { ...mine, visible: 0, leased: 0, delayed: 10, nextDue: NOW - 5_000 };
    expect(causesOf({ ...seen, ...inGroup({ mine: due }) })[0]?.title).to.match(/: the first is due in 0ms$/);
  });

  it('distinguishes workers that die at startup from those that are starting', () => {
    const said = [`${new Date(NOW - 5_000).toISOString()} worker w-9 ended after 0.3 s: exit code 3`];
    const [cause] = causesOf({
      ...seen,
      ...inGroup({ workers: [], size: sized, supervisor: { alive: true, log: 'l', said } }),
    });
    expect(cause).to.include({ code: 'workerStarting', severity: 'stops', mend: 'batchctl workers logs w-9' });
  });

  it('names the machine that should start a worker, if a group has no size', () => {
    const byHand = { ...sized, desired: 0, byHand: true } as const;
    const [cause] = causesOf({ ...seen, ...inGroup({ workers: [], size: byHand }) });
    expect(cause).to.include({ code: 'noWorker', title: 'no worker serves group default' });
    expect(cause?.mend).to.match(/^batchctl worker --here --until-empty, on any machine/);
  });

  it('says nothing about workers for a job that is paused', () => {
    const paused = foldJournal(view, [
      {
        ...{ format: 1, id: 'b', when: '2026-11-30T11:30:00Z', who: 'bob@desk' },
        ...{ what: 'pause', now: false, reason: 'rates are wrong' },
      },
    ]);
    const [cause, ...others] = causesOf({ ...seen, ...inGroup({ workers: [] }), view: paused });
    expect(others).to.deep.equal([]);
    expect(cause?.title).to.equal('bob@desk paused it 30m ago: rates are wrong');
  });

  describe('a task that runs long', () => {
    const task: LedgerTask = {
      ...{ step: STEP, task: 0, round: 0, attempts: 1, worker: 'w-1', endedAt: null },
      ...{ startedAt: NOW - 60_000, exitCode: null, reason: null, error: null },
      state: 'running',
    };
    const running = [task];
    const durations = new Map([[STEP, { median: 2, longest: 4, sampled: 9 }]]);

    it('is slow among many, and a straggler once it is the last', () => {
      expect(codes({ running, durations })).to.deep.equal(['slowTasks']);
      const last = { steps: [{ ...step, published: 9, undecided: 1, some: [0] }], counts: null };
      expect(codes({ running, durations, ...last })).to.deep.equal(['straggler']);
    });

    it('is not reported if such tasks usually take that long', () => {
      expect(codes({ running, durations: new Map([[STEP, { median: 30, longest: 40, sampled: 9 }]]) })).to.deep.equal(
        [],
      );
    });

    it('is compared with an earlier run if no task of this one is done', () => {
      expect(codes({ running, earlier: { job: 'before', means: new Map([[STEP, 5]]) } })).to.deep.equal(['slowTasks']);
      expect(codes({ running })).to.deep.equal([]);
    });
  });

  it('names the first few of a list', () => {
    expect(formatList(['a', 'b', 'c', 'd', 'e'])).to.equal('a, b, c and 2 more');
  });
});
