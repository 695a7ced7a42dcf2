// Protects: the counts of a closed job stay right when another process changes it at the same moment.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { OPEN_PREFIX, openMark, outKey } from '../../../src/model/keys.ts';
import { stateOf } from '../../../src/model/view.ts';
import { addEntry, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
tolerate: 2
steps:
  - { name: price, run: [cat] }
`;

describe('a close that another journal entry preceded', () => {
  const place = forEachTest(openPlace);

  it('does not write outdated counts to the ledger', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, {});
    const { job } = view.record;
    for (const task of [0, 1]) await publishSmall({ platform, view }, 'price', task, `${task}\n`);
    for (const task of [2, 3]) await failForGood(platform, job, 'price', task);
    const task = { step: 0, name: 'price', task: 3 };
    // Just before the close, a person retries a task and then skips it after all.
    const isClose = (_: string, body: string): boolean => body.includes('"close"');
    const store = beforeFirstPut(platform.store, isClose, async () => {
      const { view: retried } = await retry(platform, await requireView(platform.store, job), { tasks: [task] });
      await skip(platform, retried, { tasks: [task], reason: 'bad' });
    });
    await look({ ...platform, store }, view);
    expect(await entryKinds(platform.store, job)).to.deep.equal(['sent', 'retry', 'skip', 'close']);
    expect(stateOf(await requireView(platform.store, job))).to.equal('succeeded');
    expect(await platform.store.head(outKey(job, 'price', 3))).to.equal(null);
    const [counts] = await (await platform.ledger()).counts(job);
    expect(counts).to.include({ done: 2, failed: 1, exact: true });
  });
});

describe('a close whose writer died right afterwards', () => {
  const place = forEachTest(openPlace);

  it('is written to the ledger by the next look, which deletes the marks of its round and of older ones', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, {});
    const { job } = view.record;
    for (const task of [0, 1, 2, 3]) await publishSmall({ platform, view }, 'price', task, `${task}\n`);
    await addEntry(platform, view, { what: 'close', state: 'succeeded', reason: null, round: 0 });
    // Another round begins; its mark must stay.
    await platform.store.put(openMark(job, 1), '{"format":1}');
    const ledger = await platform.ledger();
    expect((await ledger.job(job))?.state).to.equal('running');
    await look(platform, view);
    expect((await ledger.job(job))?.state).to.equal('succeeded');
    expect((await ledger.counts(job))[0]).to.include({ done: 4, exact: true });
    expect(await keysBelow(platform.store, OPEN_PREFIX)).to.deep.equal([openMark(job, 1)]);
  });
});
