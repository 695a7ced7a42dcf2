// Protects: a gather leaves out a task only if nothing in the journal requested it when the gather was opened.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { readEntries, requireView } from '../../../src/jobs/journal.ts';
import { readOpened } from '../../../src/jobs/listing.ts';
import { sendTasks } from '../../../src/jobs/send.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { openedKey } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { retryOf } from '../../model/job-of.ts';
import { addEntry, claimsJob, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { entryKinds } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob, work } from '../submitted-job.ts';

const EXPLODING = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
tolerate: 1
steps:
  - { name: price, run: 'echo x > "$BATCHCTL_OUTPUT_DIR/a"', output: files, explode: true }
  - { name: total, run: [cat] }
`;

describe('a step that opens while a person retries or skips tasks before it', () => {
  const place = forEachTest(openPlace);
  let view: JobView;

  const last = { step: 0, name: 'price', task: 3 };
  const again = { tasks: [last] };
  const undo = { tasks: [last], reason: '', undo: true };
  const entries = () => entryKinds(place.platform.store, view.record.job);
  const leftOut = async (): Promise<string | null> =>
    (await readOpened(place.platform.store, view.record.job, 'total'))?.leftOut ?? null;
  const now = (): Promise<JobView> => requireView(place.platform.store, view.record.job);

  /** Three of four tasks are published; the last one failed for good. */
  async function setUp(yaml = claimsJob(1)): Promise<void> {
    view = await submitJob(place, yaml, {});
    for (const n of [0, 1, 2]) await publishSmall({ platform: place.platform, view }, 'price', n, `${n}\n`);
    await failForGood(place.platform, view.record.job, 'price', 3);
  }

  /** The platform of a watcher for which `act` happens right before its first write of the step's opening. */
  function beforeOpening(act: () => Promise<unknown>): Platform {
    const isOpening = (key: string, body: string): boolean => key.endsWith('/opened.json') || body.includes('"open"');
    return { ...place.platform, store: beforeFirstPut(place.platform.store, isOpening, act) };
  }
  const retryFirst = () => beforeOpening(async () => retry(place.platform, await now(), again));

  it('waits for a retry that comes right before it opens', async () => {
    await setUp();
    await look(retryFirst(), view);
    expect([await leftOut(), await entries()]).to.deep.equal([null, ['sent', 'retry']]);
    await publishSmall({ platform: place.platform, view: await now() }, 'price', 3, '3\n');
    await work(place.platform);
    expect([await leftOut(), await entries()]).to.deep.equal(['', ['sent', 'retry', 'close']]);
    expect((await verifyJob(place.platform, await now())).verdict).to.equal('proven');
  });

  it('waits for a retry in the same way if it takes the files of an explode', async () => {
    await setUp(EXPLODING);
    await look(retryFirst(), view);
    expect([await leftOut(), await entries()]).to.deep.equal([null, ['sent', 'retry']]);
  });

  it('waits for the undo of a skip in the same way', async () => {
    await setUp(claimsJob(0));
    // The process that skips also opens the gather.
    const undoFirst = beforeOpening(async () => skip(place.platform, await now(), undo));
    await skip(undoFirst, view, { tasks: [last], reason: 'bad' });
    expect([await leftOut(), await entries()]).to.deep.equal([null, ['sent', 'skip', 'unskip', 'close']]);
  });

  it('refuses a retry that comes right after the decision, before anything is requested', async () => {
    await setUp();
    const isRetry = (_: string, body: string): boolean => body.includes('"what":"retry"');
    const store = beforeFirstPut(place.platform.store, isRetry, () => look(place.platform, view));
    const error = await failsWith('refused', retry({ ...place.platform, store }, await now(), again));
    expect(error.message).to.include('has continued without price/3');
    expect([await leftOut(), await entries()]).to.deep.equal(['3', ['sent', 'open']]);
    await work(place.platform);
    expect(stateOf(await now())).to.equal('succeeded');
    expect((await verifyJob(place.platform, await now())).verdict).to.equal('proven');
  });

  const FINISHERS = {
    'the next look': async (): Promise<unknown> => look(place.platform, view),
    'the process that sends its tasks': async (): Promise<unknown> => sendTasks(place.platform, await now(), 1, [0]),
  };
  for (const [who, finish] of Object.entries(FINISHERS)) {
    it(`is finished by ${who} if its opener dies after its entry, and refuses a retry until then`, async () => {
      await setUp();
      const { store } = place.platform;
      const isOpening = (key: string): boolean => key.endsWith('/opened.json');
      const killed = beforeFirstPut(store, isOpening, () => Promise.reject(new Error('killed')));
      await rejection(look({ ...place.platform, store: killed }, view));
      expect([await leftOut(), await entries()]).to.deep.equal([null, ['sent', 'open']]);
      const error = await failsWith('refused', retry(place.platform, await now(), again));
      expect(error.message).to.include('has continued without price/3');
      await finish();
      const [, entry] = await readEntries(store, view.record.job);
      const { what: _, who: __, when: ___, step: ____, ...opened } = { ...entry } as Record<string, unknown>;
      expect(await readOpened(store, view.record.job, 'total')).to.deep.equal(opened);
      // Otherwise its messages are sent again after two leases.
      if (who === 'the next look') return;
      await work(place.platform);
      expect(stateOf(await now())).to.equal('succeeded');
    });
  }

  it('needs a journal entry only if it leaves out tasks, and sends its own task at once either way', async () => {
    for (const without of ['3', '']) {
      await setUp();
      if (without === '') await publishSmall({ platform: place.platform, view }, 'price', 3, '3\n');
      const queue = await place.platform.queue('default');
      await queue.purge({});
      await look(place.platform, view);
      expect([await leftOut(), await entries()]).to.deep.equal([without, without === '' ? ['sent'] : ['sent', 'open']]);
      expect((await queue.backlog()).visible).to.equal(1);
    }
  });

  const isOpened = (key: string): boolean => key.endsWith('/opened.json');
  const RACES = {
    'before the first decides': (act: () => Promise<unknown>) => beforeOpening(act),
    'after the first has decided': (act: () => Promise<unknown>): Platform => ({
      ...place.platform,
      store: beforeFirstPut(place.platform.store, isOpened, act),
    }),
  };
  for (const [when, race] of Object.entries(RACES)) {
    it(`sends its task once if a second watcher opens it ${when}`, async () => {
      for (const without of ['3', '']) {
        await setUp();
        if (without === '') await publishSmall({ platform: place.platform, view }, 'price', 3, '3\n');
        const queue = await place.platform.queue('default');
        await queue.purge({});
        await look(
          race(() => look(place.platform, view)),
          view,
        );
        expect(await leftOut()).to.equal(without);
        expect((await queue.backlog()).visible).to.equal(1);
      }
    });
  }

  it('makes verify name a task that the gather was opened without, although no entry decided that', async () => {
    await setUp();
    const { store } = place.platform;
    await addEntry(place.platform, view, retryOf(1, { price: '3' }));
    const { job } = view.record;
    await store.put(openedKey(job, 'total'), JSON.stringify({ format: 1, id: 'a', count: 3, leftOut: '3' }));
    const asked = { platform: place.platform, view: await now() };
    await publishSmall(asked, 'price', 3, '3\n');
    await publishSmall(asked, 'total', 0, 'x\n');
    await look(place.platform, view);
    const { problems, verdict } = await verifyJob(place.platform, await now());
    expect(verdict).to.equal('failed');
    expect(problems.map(({ message }) => message)).to.deep.equal([
      'the gather total was opened without price/3, which is published, and no journal entry decided that',
    ]);
  });

  it('makes verify accept a late output of a task that failed again before the gather was opened', async () => {
    await setUp();
    const retried = await addEntry(place.platform, view, retryOf(1, { price: '3' }));
    const asked = { platform: place.platform, view: retried };
    await failForGood(place.platform, view.record.job, 'price', 3, 1);
    await look(place.platform, view);
    await publishSmall(asked, 'price', 3, '3\n');
    await publishSmall(asked, 'total', 0, 'x\n');
    await look(place.platform, view);
    const { late, problems, verdict } = await verifyJob(place.platform, await now());
    expect({ late, problems, verdict }).to.deep.equal({ late: ['price/3'], problems: [], verdict: 'proven' });
  });
});
