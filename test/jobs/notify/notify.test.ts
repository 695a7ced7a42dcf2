// Protects: people are notified once of each end of a job, and a job file can't misuse the machine that notifies.

import { expect } from 'chai';
import { readMetrics } from '../../../src/jobs/grid/metrics.ts';
import { putNewsMark } from '../../../src/jobs/notify/news-mark.ts';
import { bodyText, type NoticeBody } from '../../../src/jobs/notify/notice.ts';
import { jobReceivers, refuseLocalReceivers, shownReceiver } from '../../../src/jobs/receivers.ts';
import { NEWS_PREFIX, NOTICES_PREFIX, newsMark } from '../../../src/model/keys.ts';
import { noStartEvent } from '../../../src/model/news.ts';
import type { EventKind, Notification } from '../../../src/model/notify.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { openPlace, putJob } from '../published-job.ts';
import { FakeReceivers, failedJob, notifyingPlatform, observe, openSender } from './notices.ts';

const ALL: readonly EventKind[] = ['succeeded', 'failed', 'late', 'paused', 'budget', 'no-start'];
const MINUTE = 60_000;

describe('notifying people', () => {
  const place = forEachTest(openPlace);
  const receivers = forEachTest(() => new FakeReceivers());
  const clock = forEachTest(() => new FakeClock());

  const platformOf = (...profile: readonly Notification[]) =>
    notifyingPlatform(place.platform, clock, receivers, profile);
  const putOne = (platform = place.platform) => putJob(platform, [{ name: 'a' }]);
  const keys = (prefix: string) => keysBelow(place.platform.store, prefix);
  const receivedBy = () => receivers.received.map(({ to }) => to);

  it('happens once if twenty watchers see an end at the same time', async () => {
    const platform = platformOf({ on: ['failed'], to: 'sns:a' });
    const view = await failedJob(platform);
    await Promise.all(Array.from({ length: 20 }, () => observe(openSender(platform).sender, view)));
    expect(receivers.received.map(({ id }) => id)).to.deep.equal([`${view.record.job}.${view.next - 1}.failed`]);
  });

  it("isn't delayed by an unreachable receiver, which alone is notified later", async () => {
    const platform = platformOf(
      { on: ['failed'], to: 'sns:a' },
      { on: ALL, to: 'sns:b' },
      { on: ['succeeded'], to: 'sns:c' },
    );
    receivers.unreachable.add('sns:a');
    const view = await failedJob(platform);
    const { sender, troubles } = openSender(platform);
    await observe(sender, view);
    expect(receivedBy()).to.deep.equal(['sns:b']);
    expect(troubles).to.have.length(1);
    expect(await keys(NEWS_PREFIX)).to.have.length(1);
    receivers.unreachable.clear();
    await observe(sender, view);
    expect(receivedBy(), 'it is not tried again at once').to.deep.equal(['sns:b']);
    clock.pass(120);
    await openSender(platform, { keeper: true }).sender.round();
    expect(receivedBy()).to.deep.equal(['sns:b', 'sns:a']);
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
  });

  it('happens at once for the other receivers while one is unreachable', async () => {
    const platform = platformOf({ on: ['paused'], to: 'sns:a' }, { on: ['paused'], to: 'sns:b' });
    receivers.unreachable.add('sns:a');
    const pause = { what: 'pause', reason: 'halt', now: false } as const;
    const first = await addEntry(platform, await putOne(), pause);
    const { sender } = openSender(platform);
    await observe(sender, first);
    await observe(sender, await addEntry(platform, await addEntry(platform, first, { what: 'resume' }), pause));
    const entries = receivers.received.map(({ to, id }) => `${to} ${id.split('.')[1]}`);
    expect(entries).to.deep.equal(['sns:b 0', 'sns:b 2']);
  });

  it('removes the mark of an end only in a manager if other processes may know more receivers', async () => {
    const platform: Platform = { ...platformOf({ on: ['failed'], to: 'sns:a' }), workplace: OTHER_MACHINES };
    const view = await failedJob(platform);
    await observe(openSender(platform).sender, view);
    expect(await keys(NEWS_PREFIX)).to.deep.equal([newsMark(view.record.job, view.next - 1)]);
    await openSender(platform, { keeper: true }).sender.round();
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
    expect(receivers.received).to.have.length(1);
  });

  it('keeps a mark whose close was never written for a while, and removes it after a day', async () => {
    const platform = platformOf({ on: ['failed'], to: 'sns:a' });
    const view = await putOne();
    await putNewsMark(platform, view, view.next);
    const { sender } = openSender(platform, { keeper: true });
    await sender.round();
    expect(await keys(NEWS_PREFIX)).to.have.length(1);
    clock.pass(25 * 3_600);
    await sender.round();
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
    expect(receivers.received).to.deep.equal([]);
  });

  it('leaves out a status that no topic would accept, and sends everything else', async () => {
    const platform = platformOf({ on: ['failed'], to: 'sns:a' });
    await observe(openSender(platform).sender, await failedJob(platform));
    const body = JSON.parse(receivers.received[0]?.body ?? '') as NoticeBody;
    expect(body.status).to.include({ state: 'failed' });
    expect(JSON.parse(bodyText(body))).to.deep.equal(body);
    const counters = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`customer-${n}-überweisung`, n]));
    const text = bodyText({ ...body, status: { counters } });
    expect(JSON.parse(text)).to.deep.equal({ ...body, status: null });
    expect(Buffer.byteLength(text)).to.be.below(256 * 1024);
  });

  it('writes nothing without receivers, and sends nothing about a rehearsal', async () => {
    await failedJob(platformOf());
    expect(await keysBelow(place.platform.store, NEWS_PREFIX, NOTICES_PREFIX)).to.deep.equal([]);
    const platform = platformOf({ on: ALL, to: 'sns:a' });
    const { record } = await putOne();
    const of = { parts: 100, bytes: 100, records: null };
    const rehearsal = { of, bytes: 1, inputs: 1, sample: 1, faults: [], seed: 1, pid: 1 };
    expect(jobReceivers(platform, record)).to.have.length(1);
    expect(jobReceivers(platform, { ...record, rehearsal })).to.have.length(0);
  });

  it('happens once for a job that has not started, a quarter of an hour after its start time', async () => {
    const platform = platformOf({ on: ['no-start'], to: 'sns:a' });
    const view = await putOne();
    const { sender } = openSender(platform, { checksCounters: true });
    clock.set(Date.parse(view.record.createdAt) + 14 * MINUTE);
    await observe(sender, view);
    expect(receivers.received).to.have.length(0);
    for (let look = 0; look < 2; look += 1) {
      clock.pass(120);
      await observe(sender, view);
    }
    expect(receivers.received.map(({ id }) => id)).to.deep.equal([noStartEvent(view).id]);
  });

  it('refuses a job file from elsewhere that names a program, local address or secret of the notifying machine', () => {
    const specOf = (to: string, secret = 'ssm:a') => ({ notify: [{ on: ALL, to, secret }] });
    const local = ['exec:./a', 'http://127.0.0.1/'].map((to) => specOf(to));
    for (const spec of [...local, specOf('https://a/', 'env:A'), specOf('https://a/', 'file:/a')]) {
      expect(() => refuseLocalReceivers(spec), JSON.stringify(spec))
        .to.throw('notify')
        .with.property('kind', 'jobFile');
    }
    for (const to of ['https://a/', 'sns:a']) expect(() => refuseLocalReceivers(specOf(to))).not.to.throw();
  });

  it('ignores such a receiver in a job.json too, because others may write to the store', async () => {
    const view = await putOne();
    const notify = ['exec:/bin/true', 'http://localhost/', 'https://example.com/'].map((to) => ({ on: ALL, to }));
    const record = { ...view.record, notifyFrom: '/', spec: { ...view.record.spec, notify } };
    const receiversOf = (changes: Partial<Platform>) =>
      jobReceivers({ ...platformOf(), ...changes }, record).map(({ to, trusted }) => [to, trusted]);
    expect(receiversOf({ workplace: OTHER_MACHINES })).to.deep.equal([['https://example.com/', false]]);
    expect(receiversOf({}).at(-1)).to.deep.equal(['https://example.com/', true]);
    // A program belongs to its machine; this machine is not the one that submitted the job.
    const elsewhere = jobReceivers(platformOf(), { ...record, host: 'elsewhere' });
    expect(elsewhere.map(({ to }) => to)).to.deep.equal(['http://localhost/', 'https://example.com/']);
  });

  it('shows only the host of a URL, because the rest may be a secret', () => {
    expect(shownReceiver('https://hooks.example.com/services/T0/B0/x?y=z')).to.equal('https://hooks.example.com/...');
    expect(shownReceiver('https://user:word@hooks.example.com/')).to.equal('https://hooks.example.com');
    expect(shownReceiver('sns:arn:aws:sns:eu-west-1:1:a')).to.equal('sns:arn:aws:sns:eu-west-1:1:a');
  });

  it('reads the metrics of queue, group, workers and open jobs', async () => {
    const { platform } = place;
    await addEntry(platform, await putOne(), { what: 'sent' });
    const { snapshot, tallies } = await readMetrics(platform);
    expect(snapshot.groups).to.have.length(1);
    expect(snapshot.groups[0]).to.include({ group: 'default', visible: 0, dead: 0, workers: 0, done: null });
    expect(snapshot.unknown).to.deep.equal([]);
    const later = await readMetrics(platform, { ...tallies, at: tallies.at - MINUTE });
    expect(later.snapshot.groups[0]).to.include({ done: 0, failed: 0 });
  });
});
