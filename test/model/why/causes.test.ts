// Protects: `why` names the true cause when a job doesn't progress, most severe first.
import { expect } from 'chai';
import { CAUSE_CODES, type Cause, formatList, SEVERITIES } from '../../../src/model/cause.ts';
import { foldJournal } from '../../../src/model/fold.ts';
import type { GroupStatus } from '../../../src/model/group-status.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import type { LedgerTask } from '../../../src/model/ledger/records.ts';
import { causesOf, rank } from '../../../src/model/why/causes.ts';
import type {
  GroupSnapshot,
  Snapshot,
  StepSnapshot,
  Trouble,
  WorkerSnapshot,
} from '../../../src/model/why/snapshot.ts';
import { worker as ledgerWorker } from '../../contracts/ledger-events.ts';
import { entryOf, SENT, viewOf } from '../job-of.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const view = viewOf(
  [SENT],
  `name: claims
input: { from: a.csv, split: { by: file } }
steps: [{ name: price, run: [cat] }]
`,
);
const { record } = view;
const STEP = 'price';

const step: StepSnapshot = {
  name: STEP,
  group: 'default',
  opened: false,
  total: 10,
  published: 0,
  failed: 0,
  skipped: 0,
  undecided: 10,
  some: [0, 1, 2],
};
const worker: WorkerSnapshot = ledgerWorker({
  worker: 'w-1',
  busy: [`${record.job}/${STEP}/0`],
  startedAt: NOW - 60_000,
  seenAt: NOW,
});
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
  group: 'default',
  undecided: 10,
  size: null,
  supervisor: null,
  backlog: null,
  mine,
  missing: 0,
  newerFormat: null,
  workers: [worker],
  machines: [],
  launchTroubles: [],
  hold: null,
};
const snapshot: Snapshot = {
  now: NOW,
  leaseSeconds: 15,
  version: '0.1.0',
  view,
  cancelledBy: null,
  steps: [step],
  counts: [],
  running: [],
  histories: [],
  groups: [group],
  deadLetters: [],
  failures: [],
  canaries: null,
  durations: new Map(),
  earlier: null,
  disks: [],
  credentials: null,
  troubles: [],
};
const causes = (fields: Partial<Snapshot>): readonly Cause[] => causesOf({ ...snapshot, ...fields });
const codes = (fields: Partial<Snapshot>): readonly string[] => causes(fields).map(({ code }) => code);
const inGroup = (fields: Partial<GroupSnapshot>): Partial<Snapshot> => ({ groups: [{ ...group, ...fields }] });
const size: GroupStatus = { group: 'default', desired: 2, min: 0, max: 4, running: 0, until: null, mode: 'manual' };

/** No message of the job can be received: its ten are delayed. */
const delayed = { ...mine, visible: 0, leased: 0, delayed: 10, nextDue: NOW + 5_000 };
const disk = { what: 'the store', path: '/d', free: 9e11, total: 1e12, freeFiles: 1e6 };
const credentials = { endsAt: NOW + 600_000, renewed: false, signIn: 'aws sso login' };
const trouble = (fields: Partial<Trouble>): Trouble => ({
  service: 'queue',
  group: null,
  kind: 'unavailable',
  message: 'EIO',
  hint: null,
  denied: null,
  ...fields,
});

describe('why, as a function of a snapshot', () => {
  it('offers to fetch outputs of a cancelled job only if it has some, and names their step', () => {
    const { record } = view;
    const cancelled = { ...view, cancelled: true };
    const two = {
      ...record,
      spec: { ...record.spec, steps: ['one', 'two'].map((name) => ({ ...record.spec.steps[0], name })) },
    };
    const mendOf = (published: readonly number[] | null, of: object = {}): string => {
      const steps = published?.map((count, index) => ({
        ...step,
        name: ['one', 'two'][index] ?? '',
        published: count,
      }));
      const seen = { ...snapshot, view: { ...cancelled, record: two, ...of }, steps: steps ?? null };
      const found = causesOf(seen as Snapshot).find(({ code }) => code === 'cancelled');
      return found?.fix ?? 'no cause';
    };
    const gets = 'gets the outputs that it has';
    expect(mendOf([3, 1])).to.equal(
      `a cancelled job can't be resumed: submit it again; batchctl fetch ${record.job} -o DIR/ ${gets}`,
    );
    expect(mendOf([3, 0])).to.include(`batchctl fetch ${record.job} --step one -o DIR/ ${gets}`);
    for (const none of [[0, 0], null])
      expect(mendOf(none)).to.equal("a cancelled job can't be resumed: submit it again");
    expect(mendOf([3, 1], { pruned: { entry: 1 } })).not.to.include('fetch');
  });

  it('finds nothing if tasks run and more wait', () => {
    expect(codes({})).to.deep.equal([]);
  });

  it('ranks by severity first, then in the order of the codes', () => {
    const causeOf = (code: Cause['code'], severity: Cause['severity']): Cause => ({
      code,
      severity,
      message: '',
      evidence: [],
      fix: '',
    });
    const ranked = rank([
      causeOf('ledgerBehind', 'note'),
      causeOf('backoff', 'waits'),
      causeOf('straggler', 'slows'),
      causeOf('noWorker', 'stops'),
      causeOf('failing', 'fails'),
      causeOf('paused', 'stops'),
    ]);
    const expected = ['paused', 'noWorker', 'failing', 'straggler', 'backoff', 'ledgerBehind'];
    expect(ranked.map(({ code }) => code)).to.deep.equal(expected);
  });

  it('has every code and severity once', () => {
    expect(new Set(CAUSE_CODES).size).to.equal(CAUSE_CODES.length);
    expect(new Set(SEVERITIES).size).to.equal(SEVERITIES.length);
  });

  const cases: readonly (readonly [what: string, fields: Partial<Snapshot>, expected: readonly string[]])[] = [
    ['no worker and no size', inGroup({ workers: [] }), ['noWorker']],
    [
      'a lost worker, which counts as none',
      inGroup({ workers: [{ ...worker, state: 'lost', busy: [] }] }),
      ['noWorker'],
    ],
    [
      'a size and a live supervisor',
      inGroup({ workers: [], size, supervisor: { alive: true, log: null, said: [] } }),
      ['workerStarting'],
    ],
    [
      'a size and a dead supervisor',
      inGroup({ workers: [], size, supervisor: { alive: false, log: null, said: [] } }),
      ['supervisorDead'],
    ],
    ['a group without work', { groups: [group, { ...group, group: 'gpu', undecided: 0, workers: [] }] }, []],
    [
      'all slots busy with other jobs, and the job’s messages delayed',
      inGroup({ workers: [{ ...worker, busy: ['x/s/1', 'x/s/2'] }], mine: { ...delayed, lastDue: NOW + 9_000 } }),
      ['backoff'],
    ],
    [
      'tasks delayed because of a newer format, not of failures',
      inGroup({ mine: delayed, newerFormat: 2 }),
      ['newerFormat'],
    ],
    ['missing tasks', inGroup({ missing: 4 }), ['missingTasks']],
    [
      'missing tasks that are among the dead letters',
      { ...inGroup({ missing: 1 }), deadLetters: [{ group: 'default', step: STEP, task: 1, reason: 'not JSON' }] },
      ['deadLetters'],
    ],
    ['a disk with little free space in percent, but enough in bytes', { disks: [{ ...disk, free: 20e9 }] }, []],
    ['a disk without free inodes', { disks: [{ ...disk, freeFiles: 0 }] }, ['diskFull']],
    [
      'an unreachable service, which ranks before everything else',
      { ...inGroup({ workers: [] }), troubles: [trouble({ service: 'store', kind: 'unavailable' })] },
      ['storeUnreachable', 'noWorker'],
    ],
    ['a queue that is gone', { troubles: [trouble({ group: 'default', kind: 'notFound' })] }, ['queueGone']],
    [
      'workers that are unknown, because the ledger refuses the password',
      { ...inGroup({ workers: [] }), troubles: [trouble({ service: 'ledger', kind: 'credentials' })] },
      ['credentialsRefused'],
    ],
    [
      'no worker before the ledger failed',
      { ...inGroup({ workers: [{ ...worker, state: 'gone' }] }), troubles: [trouble({ service: 'ledger' })] },
      ['noWorker', 'ledgerUnreachable'],
    ],
    ['credentials that are refused', { troubles: [trouble({ kind: 'credentials' })] }, ['credentialsRefused']],
    [
      'an action that a policy denies',
      { troubles: [trouble({ kind: 'credentials', denied: 'sqs:GetQueueUrl on arn:aws:sqs:x' })] },
      ['accessDenied'],
    ],
    ['credentials that expire within the hour', { credentials }, ['credentialsEnding']],
    ['credentials that expire within the hour and are renewed', { credentials: { ...credentials, renewed: true } }, []],
  ];
  for (const [what, fields, expected] of cases) {
    it(`${what}: ${expected.join(', ') || 'nothing'}`, () => {
      expect(codes(fields)).to.deep.equal(expected);
    });
  }

  it('says that a message is due in 0ms, if its time has passed', () => {
    expect(causes(inGroup({ mine: { ...delayed, nextDue: NOW - 5_000 } }))[0]?.message).to.match(
      /: the first is due in 0ms$/,
    );
  });

  it('distinguishes workers that die at startup from those that are starting', () => {
    const said = [`${new Date(NOW - 5_000).toISOString()} worker w-9 ended after 0.3 s: exit code 3`];
    const [cause] = causes(inGroup({ workers: [], size, supervisor: { alive: true, log: 'l', said } }));
    expect(cause).to.include({ code: 'workerStarting', severity: 'stops', fix: 'batchctl workers logs w-9' });
  });

  it('names the machine that should start a worker, if a group has no size', () => {
    const [cause] = causes(inGroup({ workers: [], size: { ...size, desired: 0, byHand: true } }));
    expect(cause).to.include({ code: 'noWorker', message: 'no worker serves group default' });
    expect(cause?.fix).to.match(/^batchctl worker --here --until-empty, on any machine/);
  });

  it('says nothing about workers for a job that is paused', () => {
    const pause: EntryKind = { what: 'pause', now: false, reason: 'rates are wrong' };
    const paused = foldJournal(view, [entryOf(pause, { when: '2026-11-30T11:30:00Z', who: 'bob@desk' })]);
    const [cause, ...others] = causes({ ...inGroup({ workers: [] }), view: paused });
    expect(others).to.deep.equal([]);
    expect(cause?.message).to.equal('bob@desk paused it 30m ago: rates are wrong');
  });

  describe('a task that runs long', () => {
    const task: LedgerTask = {
      step: STEP,
      task: 0,
      round: 0,
      state: 'running',
      attempts: 1,
      worker: 'w-1',
      startedAt: NOW - 60_000,
      endedAt: null,
      exitCode: null,
      reason: null,
      error: null,
    };
    const running = [task];
    const durations = new Map([[STEP, { median: 2, longest: 4, sampled: 9 }]]);

    it('is slow among many, and a straggler once it is the last', () => {
      expect(codes({ running, durations })).to.deep.equal(['slowTasks']);
      const last = { steps: [{ ...step, published: 9, undecided: 1, some: [0] }], counts: null };
      expect(codes({ running, durations, ...last })).to.deep.equal(['straggler']);
    });

    it('is not reported if tasks of its step usually take that long', () => {
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
