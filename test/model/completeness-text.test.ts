// Protects: no command or page says that nothing is missing while something is.
import { expect } from 'chai';
import type { FetchAnswer } from '../../src/model/answers/data.ts';
import type { JobStatus, StepStatus } from '../../src/model/answers/status.ts';
import {
  type Ends,
  emptyOutputsText,
  endsOfResult,
  fetchedEndsText,
  isComplete,
  outputsText,
  provenText,
  statusEmptyTexts,
  statusEndsText,
} from '../../src/model/completeness-text.ts';
import type { JobState } from '../../src/model/job-state.ts';

const ALL: Ends = { outputs: 9, failed: 0, tolerated: true, skipped: 0, late: 0, missing: 0 };

const SENTENCES: readonly (readonly [what: string, ends: Partial<Ends>, text: string])[] = [
  ['everything', {}, '9 outputs, nothing missing, nothing duplicated'],
  ['one output', { outputs: 1 }, '1 output, nothing missing, nothing duplicated'],
  ['a skip', { skipped: 1 }, '9 of 10 outputs; 1 skipped; nothing else missing, nothing duplicated'],
  [
    'a tolerated failure',
    { failed: 1 },
    '9 of 10 outputs; 1 failed (tolerated); nothing else missing, nothing duplicated',
  ],
  ['a late output', { late: 1 }, '9 of 10 outputs; 1 late (kept, not used); nothing else missing, nothing duplicated'],
  [
    'all of these',
    { outputs: 1_298, skipped: 1, failed: 2, late: 3 },
    '1,298 of 1,304 outputs; 1 skipped, 2 failed (tolerated), 3 late (kept, not used); nothing else missing, nothing duplicated',
  ],
  [
    'more late outputs than are named',
    { late: 1_000, moreLate: true },
    '9 of 1,009 outputs; 1,000 or more late (kept, not used); nothing else missing, nothing duplicated',
  ],
];

describe('the sentence about outputs', () => {
  for (const [what, ends, text] of SENTENCES) {
    it(`of a proven job with ${what}`, () => {
      expect(provenText({ ...ALL, ...ends })).to.equal(text);
    });
  }

  it('claims completeness only if each exception is zero', () => {
    expect(isComplete(ALL)).to.equal(true);
    for (const field of ['failed', 'skipped', 'late', 'missing'] as const)
      expect(isComplete({ ...ALL, [field]: 1 }), field).to.equal(false);
  });

  it('names failures that are not tolerated, and what is missing', () => {
    const text = outputsText({ ...ALL, failed: 2, tolerated: false, missing: 3 }, { of: 'price' });
    expect(text).to.equal('9 of 14 outputs of price; 2 failed for good, 3 missing');
  });

  it('of a proof counts each late output once, and not as an output', () => {
    const step = { name: 'price', tasks: 300, published: 298, failed: 1, skipped: 1, missing: 0 };
    const result = { verdict: 'proven', steps: [step, { ...step, published: 1, failed: 0, skipped: 0 }] } as const;
    expect(endsOfResult({ ...result, late: ['price/7'] })).to.deep.equal({
      ...ALL,
      ...{ outputs: 298, failed: 1, skipped: 1, late: 1, moreLate: false },
    });
    expect(endsOfResult({ ...result, verdict: 'failed', late: [] })).to.include({ tolerated: false, outputs: 299 });
    const many = Array.from({ length: 1_000 }, (_, n) => `price/${n}`);
    expect(endsOfResult({ ...result, late: many })).to.include({ moreLate: true });
  });
});

describe('the sentence about outputs in a status', () => {
  const STEP: StepStatus = {
    ...{ name: 'price', group: 'default', total: 10, waiting: 0, running: 0, done: 10 },
    ...{ failed: 0, skipped: 0, allEmpty: false, late: 0, retried: 0, interrupted: 0 },
  };
  const text = (step: Partial<StepStatus>, changed: Partial<JobStatus> = {}): string | null =>
    statusEndsText({
      state: 'succeeded',
      incomplete: false,
      prunedAt: null,
      steps: [{ ...STEP, ...step }],
      ...changed,
    });

  it('is there only for a closed job that lacks outputs', () => {
    expect(text({})).to.equal(null);
    expect(text({ done: 8, failed: 1, skipped: 1 })).to.equal('8 of 10 outputs; 1 skipped, 1 failed (tolerated)');
    expect(text({ late: 1 })).to.equal('9 of 10 outputs; 1 late (kept, not used)');
    expect(text({ done: 8, failed: 1, waiting: 1 }, { state: 'failed' })).to.equal(
      '8 of 10 outputs; 1 failed for good, 1 not finished',
    );
    expect(text({ done: 8, running: 2 }, { state: 'cancelled' })).to.equal('8 of 10 outputs; 2 not finished');
    for (const state of ['running', 'paused', 'submitted'] as const)
      expect(text({ done: 8, failed: 2 }, { state })).to.equal(null);
  });

  it('says that counts are incomplete in place of zeros, except for a pruned job', () => {
    expect(text({ done: 0, waiting: 10 }, { incomplete: true })).to.equal(
      'counts are incomplete: run batchctl ledger rebuild',
    );
    expect(text({}, { incomplete: true, state: 'running' })).to.include('ledger rebuild');
    expect(text({ done: 0, waiting: 10 }, { prunedAt: '2026-11-30T03:00:00Z' })).to.equal(null);
  });
});

describe('the sentence about empty outputs', () => {
  it('is there if some are, and says how many', () => {
    const rows = [
      [0, 3, null],
      [1, 3, '1 of 3 outputs of map is empty'],
      [2, 3, '2 of 3 outputs of map are empty'],
      [3, 3, 'all 3 outputs of map are empty'],
      [1_200, 1_200, 'all 1,200 outputs of map are empty'],
      [1, 1, 'the output of map is empty'],
    ] as const;
    for (const [empty, outputs, text] of rows) expect(emptyOutputsText('map', empty, outputs)).to.equal(text);
  });

  it('is there in a status for each step whose outputs are all empty, until the job is pruned', () => {
    const step = {
      ...{ group: 'default', total: 2, waiting: 0, running: 0, done: 2, failed: 0, skipped: 0 },
      allEmpty: true,
    };
    const steps = ['map', 'all', 'none'].map((name) => ({ ...step, ...{ late: 0, retried: 0, interrupted: 0 }, name }));
    const [map, all, none] = steps as [StepStatus, StepStatus, StepStatus];
    const status = { prunedAt: null, steps: [map, { ...all, done: 1 }, { ...none, allEmpty: false }] };
    expect(statusEmptyTexts(status)).to.deep.equal(['all 2 outputs of map are empty', 'the output of all is empty']);
    expect(statusEmptyTexts({ ...status, prunedAt: '2026-11-30T03:00:00Z' })).to.deep.equal([]);
  });
});

describe('the sentence about fetched outputs', () => {
  const FETCHED: FetchAnswer = {
    ...{ job: 'claims-1', step: 'price', outputs: 10, missing: 0, failed: 0, skipped: 0, late: 0 },
    ...{ bytes: 1, output: 'out', guessed: null, kept: 0, others: [] },
  };
  const text = (fetched: Partial<FetchAnswer>, state: JobState = 'succeeded') =>
    fetchedEndsText({ ...FETCHED, ...fetched }, state);

  it('is there only if an output is missing or was not used', () => {
    expect(text({})).to.equal(null);
    expect(text({ outputs: 8, missing: 2, failed: 1, skipped: 1 })).to.equal(
      '8 of 10 outputs of price; 1 skipped, 1 failed (tolerated)',
    );
    expect(text({ late: 2 })).to.equal('8 of 10 outputs of price; 2 late (kept, not used)');
    expect(text({ outputs: 8, missing: 2, failed: 2 }, 'failed')).to.equal(
      '8 of 10 outputs of price; 2 failed for good',
    );
    expect(text({ outputs: 7, missing: 3, failed: 2 }, 'running')).to.equal(
      '7 of 10 outputs of price; 2 failed for good, 1 not finished, as the job is running',
    );
  });
});
