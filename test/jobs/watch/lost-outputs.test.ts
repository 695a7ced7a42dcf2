// Protects: a lost output whose files are tasks already is not made again; its job ends as failed, and names it.
import { expect } from 'chai';
import { resume } from '../../../src/jobs/change/lifecycle.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { whyJob } from '../../../src/jobs/why/why.ts';
import { openedKey, outKey, stepPartsPrefix } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { addEntry, failForGood } from '../../support/claims-job.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { explodingJob, publishFiles, publishRest, queuedIn } from '../exploding-job.ts';
import { type Place, publishManifest } from '../published-job.ts';
import { work } from '../submitted-job.ts';

describe('an exploded output that is lost while its job is open', () => {
  let place: Place;
  let view: JobView;
  beforeEach(async () => {
    ({ place, view } = await explodingJob());
  });
  afterEach(() => place.end());

  const lose = (task: number) => place.platform.store.delete([outKey(view.record.job, 'split', task)]);
  const lookAgain = async () => {
    const found = await look(place.platform, view);
    view = found.view;
    return found;
  };
  const openStep = async (tasks?: readonly number[]): Promise<void> => {
    await publishFiles(place, view, tasks);
    await lookAgain();
  };
  const expectLost = (): void => {
    expect([stateOf(view), view.closed?.reason]).to.deep.equal(['failed', 'lostOutput']);
    expect(view.closed?.detail).to.include('the output of split/2 is lost');
    expect(view.closed?.detail).to.include(outKey(view.record.job, 'split', 2));
  };

  it('fails the job, which names the output and what helps', async () => {
    await openStep();
    await lose(2);
    expect((await lookAgain()).did).to.deep.equal(['close']);
    expectLost();
    expect((await lookAgain()).did).to.deep.equal([]);
    const { reason, detail, incomplete } = await statusOf(place.platform, view);
    expect([reason, detail, incomplete]).to.deep.equal(['lostOutput', view.closed?.detail, false]);
    const { causes } = await whyJob(async () => place.platform, view.record.job);
    expect(causes.map(({ code }) => code))
      .to.include('outputLost')
      .and.not.include('failing');
    const cause = causes.find(({ code }) => code === 'outputLost');
    expect(cause?.message).to.equal(view.closed?.detail);
    expect(cause?.fix).to.include(`batchctl verify ${view.record.job} --repair`).and.include('--again');
  });

  it('is not made again by a worker, which drops the messages of the job', async () => {
    await openStep();
    await lose(2);
    await lookAgain();
    await work(place.platform);
    view = await refreshView(place.platform.store, view);
    expectLost();
    expect(await keysBelow(place.platform.store, outKey(view.record.job, 'split', 2))).to.deep.equal([]);
    expect(await queuedIn(place)).to.equal(0);
  });

  it('is not requested by resume, retry or a repair', async () => {
    await openStep();
    await lose(2);
    await failsWith('refused', retry(place.platform, view));
    await failsWith('refused', repairJob(place.platform, view));
    const { view: after, sent } = await resume(place.platform, view);
    view = after;
    expect(sent).to.equal(5);
    expectLost();
  });

  it('lets the job go on once it is restored', async () => {
    await openStep();
    const key = outKey(view.record.job, 'split', 2);
    const { store } = place.platform;
    const [bytes, info] = [await store.read(key), await store.head(key)];
    await lose(2);
    await lookAgain();
    expectLost();
    await store.put(key, bytes ?? expect.fail(), { metadata: info?.metadata ?? {} });
    expect(await repairJob(place.platform, view)).to.deep.include({
      missing: { count: '0-4' },
      sent: 5,
      reopened: true,
    });
    view = await publishRest(place, view, 5);
    expect(stateOf(view)).to.equal('succeeded');
    expect((await verifyJob(place.platform, view)).verdict).to.equal('proven');
  });

  it('succeeds after a restoration if nothing else was missing', async () => {
    await openStep();
    const key = outKey(view.record.job, 'split', 2);
    const { store } = place.platform;
    const [bytes, info] = [await store.read(key), await store.head(key)];
    await lose(2);
    view = await publishRest(place, view, 5);
    expectLost();
    await store.put(key, bytes ?? expect.fail(), { metadata: info?.metadata ?? {} });
    await repairJob(place.platform, view);
    view = await publishRest(place, view, 5);
    expect(stateOf(view)).to.equal('succeeded');
    expect((await verifyJob(place.platform, view)).verdict).to.equal('proven');
  });

  it('is made again if it had no files', async () => {
    await publishManifest({ platform: place.platform, view }, 'split', 0, { 'a.txt': 'one' });
    await publishManifest({ platform: place.platform, view }, 'split', 1, { 'b.txt': 'two' });
    await publishManifest({ platform: place.platform, view }, 'split', 2, {});
    await lookAgain();
    await lose(2);
    const { did, standing } = await lookAgain();
    expect(did).to.deep.equal([]);
    expect([...(standing.steps[0]?.undecided ?? [])]).to.deep.equal([2]);
  });

  it('does not matter if the opening had left it out', async () => {
    await publishFiles(place, view, [0, 2]);
    await failForGood(place.platform, view.record.job, 'split', 1);
    await lookAgain();
    await publishFiles(place, view, [1]);
    await lose(1);
    view = await publishRest(place, view, 4);
    expect(stateOf(view)).to.equal('succeeded');
  });

  it('leaves a paused job paused, and a closed one as it is', async () => {
    await openStep();
    await lose(2);
    await addEntry(place.platform, view, { what: 'pause', now: false, reason: 'person' });
    expect((await lookAgain()).did).to.deep.equal([]);
    expect(stateOf(view)).to.equal('paused');
    await addEntry(place.platform, view, { what: 'resume' });
    await addEntry(place.platform, view, { what: 'close', state: 'succeeded', reason: null, round: 0 });
    expect((await lookAgain()).did).to.deep.equal([]);
    expect(stateOf(view)).to.equal('succeeded');
  });

  it('fails the job if it is lost after opened.json was written and before its parts were', async () => {
    await publishFiles(place, view);
    const dying = beforeFirstPut(
      place.platform.store,
      (key) => key.startsWith(stepPartsPrefix(view.record.job, 'count')),
      () => Promise.reject(new Error('dead')),
    );
    await rejection(look({ ...place.platform, store: dying }, view));
    await lose(2);
    await lookAgain();
    expectLost();
  });

  it('fails the job if it is lost while the step opens', async () => {
    await publishFiles(place, view);
    const store = beforeFirstPut(
      place.platform.store,
      (key) => key === openedKey(view.record.job, 'count'),
      () => lose(2),
    );
    const found = await look({ ...place.platform, store }, view);
    view = found.view;
    expect(found.did).to.deep.equal(['open', 'close']);
    expectLost();
  });

  it('costs a job without losses no request', async () => {
    await openStep();
    const { store, requests } = recordRequests(place.platform.store);
    await look({ ...place.platform, store }, view);
    expect(requests.filter((request) => request.startsWith('read') && request.includes('/parts/'))).to.deep.equal([]);
  });
});
