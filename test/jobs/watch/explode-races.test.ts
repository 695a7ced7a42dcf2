// Protects: a step that explodes opens once and sends each task once, even if its opener dies.
import { expect } from 'chai';
import { refreshView } from '../../../src/jobs/journal.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { stepPartShardKey } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { addEntry, failForGood } from '../../support/claims-job.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { rejection } from '../../support/rejection.ts';
import { beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';
import { EXPLODING, explodingJob, partsOf, publishFiles, queuedIn } from '../exploding-job.ts';
import type { Place } from '../published-job.ts';
import { openAgain, work } from '../submitted-job.ts';

describe('explode with several watchers, and after one was killed', () => {
  let place: Place;
  let view: JobView;
  async function setUp(yaml = EXPLODING): Promise<void> {
    ({ place, view } = await explodingJob(yaml));
  }
  afterEach(() => place.end());

  const parts = () => partsOf(place, view);
  const queued = () => queuedIn(place);

  it('opens once and sends each task once with two watchers at the same time', async () => {
    await setUp();
    await publishFiles(place, view);
    const before = await queued();
    const second = await openAgain(place.directory);
    try {
      const looks = await Promise.all([look(place.platform, view), look(second, view), look(place.platform, view)]);
      for (const { standing } of looks) expect(standing.steps[1]?.total).to.equal(5);
    } finally {
      await second.close();
    }
    expect((await queued()) - before).to.equal(5);
    expect(await parts()).to.have.length(5);
  });

  it('gets the shards that a killed opener did not write from the next look', async () => {
    await setUp();
    await publishFiles(place, view);
    const dying = beforeFirstPut(
      place.platform.store,
      (key) => key.includes('/parts/'),
      () => Promise.reject(new Error('dead')),
    );
    expect((await rejection(look({ ...place.platform, store: dying }, view))).message).to.equal('dead');
    expect(await parts()).to.have.length(0);
    const ledger = await place.platform.ledger();
    const recorded = (await ledger.job(view.record.job)) ?? expect.fail('the ledger has no such job');
    await ledger.recordJob({ ...recorded, steps: [] });
    const { did } = await look(place.platform, view);
    expect(did).to.deep.equal([]);
    expect(await parts()).to.have.length(5);
    expect((await ledger.job(view.record.job))?.steps[1]?.total).to.equal(5);
  });

  it('gets missing shards from a worker, once for all its tasks', async () => {
    await setUp();
    await publishFiles(place, view);
    await look(place.platform, view);
    const key = stepPartShardKey(view.record.job, 'count', 0);
    await place.platform.store.delete([key]);
    const { store, requests } = recordRequests(place.platform.store);
    await work({ ...place.platform, store });
    view = await refreshView(place.platform.store, view);
    expect(stateOf(view)).to.equal('succeeded');
    expect(requests.filter((request) => request === `put ${key}`)).to.have.length(1);
  });

  it('obeys a skip that comes while the files are counted', async () => {
    await setUp(EXPLODING.replace('tolerate: 1', 'tolerate: 3'));
    await publishFiles(place, view, [0, 1]);
    await failForGood(place.platform, view.record.job, 'split', 2);
    let skipped = false;
    const store = wrapStore(place.platform.store, {
      read: async (key, options) => {
        if (key.includes('/split/out/') && !skipped) {
          skipped = true;
          await addEntry(place.platform, view, { what: 'skip', tasks: { split: '2' }, reason: 'x' });
        }
        return place.platform.store.read(key, options);
      },
    });
    const { did } = await look({ ...place.platform, store }, view);
    expect(did).to.deep.equal(['open', 'open']);
    expect(await parts()).to.have.length(3);
  });
});
