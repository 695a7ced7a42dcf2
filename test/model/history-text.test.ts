// Protects: history describes in words what each person and process did to a job.
import { expect } from 'chai';
import { foldJournal } from '../../src/model/fold.ts';
import { acceptedText, historyText } from '../../src/model/history-text.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import type { JobView } from '../../src/model/view.ts';
import { closeOf, entryOf, retryOf, SENT, viewOf } from './job-of.ts';

const TEXTS: readonly (readonly [EntryKind, string])[] = [
  [SENT, 'sent its first tasks'],
  [{ what: 'resend', tasks: { price: '3,7-8' }, after: 2 }, 're-sent missing tasks: 3 tasks (price/3,7-8)'],
  [{ what: 'pause', now: false, reason: 'person' }, 'paused'],
  [{ what: 'pause', now: true, reason: 'bad rates' }, 'paused at once, returning running tasks: bad rates'],
  [{ what: 'pause', now: false, reason: 'halt' }, 'paused by its halt limit: too many have failed for good'],
  [{ what: 'resume' }, 'resumed'],
  [{ what: 'cancel' }, 'cancelled'],
  [{ what: 'stop', cause: 'price/3' }, 'stopped: undecided tasks are given up (price/3)'],
  [
    { what: 'adjust', tolerate: '5', maxRunning: null, maxCost: 20 },
    'adjusted: tolerate 5, max running without limit, max cost 20 USD',
  ],
  [{ what: 'kill', tasks: { price: '3' }, mode: 'fail' }, 'failed for good by hand: price/3'],
  [{ what: 'kill', tasks: { price: '3' }, mode: 'requeue' }, 'ended the running attempt of price/3, to be retried'],
  [{ what: 'skip', tasks: { price: '3,9' }, reason: 'no data' }, 'skipped 2 tasks (price/3,9): no data'],
  [
    { what: 'skip', tasks: { price: '3' }, reason: 'no data', round: 2 },
    'skipped price/3: no data; open again, round 2',
  ],
  [{ what: 'unskip', tasks: { price: '3' } }, 'undid the skip of price/3'],
  [retryOf(1, { price: '3-5' }), 'retry, round 1: 3 tasks (price/3-5)'],
  [
    retryOf(1, { price: '3-5' }, { canaries: { price: '3' }, overrides: { timeout: 1_800 } }),
    'retry, round 1: 3 tasks (price/3-5), first price/3, with timeout 1h → 30m',
  ],
  [
    retryOf(1, { price: '3' }, { overrides: { code: 'a'.repeat(64), steps: {} } }),
    'retry, round 1: price/3, with code none → aaaaaaaa',
  ],
  [
    retryOf(1, { price: '3' }, { overrides: { steps: { check: { run: ['cat', '-n'], attempts: 5 } } } }),
    'retry, round 1: price/3, with check.run ["cat"] → ["cat","-n"], check.attempts 3 → 5',
  ],
  [{ what: 'retry-rest', round: 1 }, 'round 1: the canaries succeeded, the rest is sent'],
  [{ what: 'open', step: 'total', count: 3, leftOut: '3,7-8' }, 'opened total without 3,7-8 of the step before it'],
  [closeOf('failed'), 'closed: failed (failures)'],
  [closeOf('succeeded', 2), 'closed: succeeded, round 2'],
  [{ what: 'prune' }, 'pruned: its parts, outputs and logs were removed'],
];

describe("a journal's entries in words", () => {
  const job: JobView = viewOf([]);

  for (const [kind, text] of TEXTS) {
    it(text, () => expect(historyText(entryOf(kind), job)).to.equal(text));
  }

  it('show what a second retry changed since the first, not since the job was accepted', () => {
    const first = retryOf(1, { price: '3' }, { overrides: { timeout: 60 } });
    const second = retryOf(2, { price: '3' }, { overrides: { timeout: 90 } });
    expect(historyText(entryOf(second), foldJournal(job, [entryOf(first)]))).to.equal(
      'retry, round 2: price/3, with timeout 1m → 90s',
    );
  });

  it('list at most a line of tasks', () => {
    const set = Array.from({ length: 1_000 }, (_, n) => 2 * n).join(',');
    const text = historyText(entryOf({ what: 'skip', tasks: { price: set }, reason: 'no data' }), job);
    expect(text).to.match(/^skipped 1,000 tasks \(price\/0,2,4,[\d,]+,\.\.\.\): no data$/);
    expect(text.length).to.be.below(120);
  });

  it('begin with the acceptance', () => {
    expect(acceptedText(job.record)).to.match(/^accepted: \d+ parts, steps price, check, totals, by batchctl /);
  });
});
