// Protects: people are notified once of each end of a job, and a job file can't misuse the machine that notifies.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { readMetrics } from '../../../src/jobs/grid/metrics.ts';
import { putNewsMark } from '../../../src/jobs/notify/news-mark.ts';
import { bodyText, type NoticeBody } from '../../../src/jobs/notify/notice.ts';
import { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import { jobReceivers, refuseLocalReceivers, shownReceiver } from '../../../src/jobs/notify/receivers.ts';
import { NEWS_PREFIX, NOTICES_PREFIX, newsMark } from '../../../src/model/keys.ts';
import { type EventKind, type Notification, noStartEvent } from '../../../src/model/notify.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Notice, Receiver } from '../../../src/ports/notifier.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { openPlace, putJob } from '../published-job.ts';

const ALL: readonly EventKind[] = ['succeeded', 'failed', 'late', 'paused', 'budget', 'no-start'];
const MINUTE = 60_000;

/** Accepts notifications, or fails on request. */
class Receivers {
  readonly got: (Notice & { readonly to: string })[] = [];
  readonly away = new Set<string>();

  async send({ to }: Receiver, notice: Notice): Promise<void> {
    if (this.away.has(to)) throw new BatchctlError('unavailable', `${to} is away`);
    this.got.push({ ...notice, to });
  }
}

describe('notifying people', () => {
  const place = forEachTest(openPlace);
  let receivers: Receivers;
  let ahead: number;
  beforeEach(() => {
    receivers = new Receivers();
    ahead = 0;
  });

  const tellingOf = (profile: readonly Notification[], remote?: true): Platform => ({
    ...place.platform,
    ...{ clock: { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead } },
    notices: { notifier: receivers, profile },
    ...(remote && { remote }),
  });
  const senderOf = (platform: Platform, fields: Partial<ConstructorParameters<typeof NoticeSender>[1]> = {}) => {
    const troubles: string[] = [];
    const sender = new NoticeSender(platform, {
      ...{ checksCounters: false, onTrouble: ({ message }) => troubles.push(message), ...fields },
    });
    return { sender, troubles };
  };
  const ended = async (platform: Platform): Promise<JobView> => {
    const view = await putJob(platform, [{ name: 'a' }], {});
    await putNewsMark(platform, view, view.next);
    return addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round: 0 });
  };
  const keys = (prefix: string) => keysBelow(place.platform.store, prefix);

  it('happens once if twenty watchers see an end at the same time', async () => {
    const platform = tellingOf([{ on: ['failed'], to: 'sns:a' }]);
    const view = await ended(platform);
    const senders = Array.from({ length: 20 }, () => senderOf(platform).sender);
    for (const sender of senders) sender.observe(view);
    await Promise.all(senders.map((sender) => sender.idle()));
    expect(receivers.got.map(({ id }) => id)).to.deep.equal([`${view.record.job}.${view.next - 1}.failed`]);
  });

  it("isn't delayed by an unreachable receiver, which alone is notified later", async () => {
    const platform = tellingOf([
      { on: ['failed'], to: 'sns:a' },
      { on: ALL, to: 'sns:b' },
      { on: ['succeeded'], to: 'sns:c' },
    ]);
    receivers.away.add('sns:a');
    const view = await ended(platform);
    const { sender, troubles } = senderOf(platform);
    sender.observe(view);
    await sender.idle();
    expect(receivers.got.map(({ to }) => to)).to.deep.equal(['sns:b']);
    expect(troubles).to.have.length(1);
    expect(await keys(NEWS_PREFIX)).to.have.length(1);
    receivers.away.clear();
    sender.observe(view);
    await sender.idle();
    expect(receivers.got, 'not at once').to.have.length(1);
    ahead = 2 * MINUTE;
    const keeper = senderOf(platform, { keeper: true }).sender;
    await keeper.round();
    expect(receivers.got.map(({ to }) => to)).to.deep.equal(['sns:b', 'sns:a']);
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
  });

  it('happens at once for the other receivers while one is unreachable', async () => {
    const platform = tellingOf([
      { on: ['paused'], to: 'sns:a' },
      { on: ['paused'], to: 'sns:b' },
    ]);
    receivers.away.add('sns:a');
    const pause = { what: 'pause', reason: 'halt', now: false } as const;
    const first = await addEntry(platform, await putJob(platform, [{ name: 'a' }], {}), pause);
    const { sender } = senderOf(platform);
    sender.observe(first);
    await sender.idle();
    sender.observe(await addEntry(platform, await addEntry(platform, first, { what: 'resume' }), pause));
    await sender.idle();
    expect(receivers.got.map(({ to, id }) => `${to} ${id.split('.')[1]}`)).to.deep.equal(['sns:b 0', 'sns:b 2']);
  });

  it('removes the mark of an end only in a manager if others may know more receivers', async () => {
    const platform = tellingOf([{ on: ['failed'], to: 'sns:a' }], true);
    const view = await ended(platform);
    const { sender } = senderOf(platform);
    sender.observe(view);
    await sender.idle();
    expect(await keys(NEWS_PREFIX)).to.deep.equal([newsMark(view.record.job, view.next - 1)]);
    await senderOf(platform, { keeper: true }).sender.round();
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
    expect(receivers.got).to.have.length(1);
  });

  it('keeps a mark whose close was never written for a while, and removes it after a day', async () => {
    const platform = tellingOf([{ on: ['failed'], to: 'sns:a' }]);
    const view = await putJob(platform, [{ name: 'a' }], {});
    await putNewsMark(platform, view, view.next);
    const { sender } = senderOf(platform, { keeper: true });
    await sender.round();
    expect(await keys(NEWS_PREFIX)).to.have.length(1);
    ahead = 25 * 60 * MINUTE;
    await sender.round();
    expect(await keys(NEWS_PREFIX)).to.deep.equal([]);
    expect(receivers.got).to.deep.equal([]);
  });

  it('leaves out a status that no topic would accept, and sends everything else', () => {
    const body: NoticeBody = {
      ...{
        format: 1,
        id: 'a.1.failed',
        event: 'failed',
        at: '2026-11-30T06:00:00Z',
        text: 'job a failed',
        store: '/s',
      },
      ...{ job: 'a', name: 'a', runKey: null, schedule: null, period: null, status: { state: 'failed' } },
    };
    expect(JSON.parse(bodyText(body))).to.deep.equal(body);
    const counters = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`customer-${n}-überweisung`, n]));
    const text = bodyText({ ...body, status: { counters } });
    expect(JSON.parse(text)).to.deep.equal({ ...body, status: null });
    expect(Buffer.byteLength(text)).to.be.below(256 * 1024);
  });

  it('writes nothing without receivers, and sends nothing about a rehearsal', async () => {
    const platform = tellingOf([]);
    await ended(platform);
    expect([...(await keys(NEWS_PREFIX)), ...(await keys(NOTICES_PREFIX))]).to.deep.equal([]);
    const telling = tellingOf([{ on: ALL, to: 'sns:a' }]);
    const view = await putJob(telling, [{ name: 'a' }], {});
    const rehearsal = { ...view.record, rehearsal: { format: 1 } as never };
    expect(jobReceivers(telling, view.record)).to.have.length(1);
    expect(jobReceivers(telling, rehearsal)).to.have.length(0);
  });

  it('happens once for a job that has not started, a quarter of an hour after its start time', async () => {
    const platform = tellingOf([{ on: ['no-start'], to: 'sns:a' }]);
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { sender } = senderOf(platform, { checksCounters: true });
    ahead = Date.parse(view.record.createdAt) - Date.now() + 14 * MINUTE;
    sender.observe(view);
    await sender.idle();
    expect(receivers.got).to.have.length(0);
    for (const minutes of [16, 18]) {
      ahead = Date.parse(view.record.createdAt) - Date.now() + minutes * MINUTE;
      sender.observe(view);
      await sender.idle();
    }
    expect(receivers.got.map(({ id }) => id)).to.deep.equal([noStartEvent(view).id]);
  });

  it('refuses a job file from elsewhere that names a program, local address or secret of the notifying machine', () => {
    const of = (to: string, secret?: string) => ({
      notify: [{ on: ALL, to, ...(secret !== undefined && { secret }) }],
    });
    const bad = [of('exec:./a'), of('http://127.0.0.1/'), of('https://a/', 'env:A'), of('https://a/', 'file:/a')];
    for (const spec of bad) {
      expect(() => refuseLocalReceivers(spec, true), JSON.stringify(spec))
        .to.throw('notify')
        .with.property('kind', 'jobFile');
      expect(() => refuseLocalReceivers(spec, false)).not.to.throw();
    }
    expect(() => refuseLocalReceivers(of('https://a/', 'ssm:a'), true)).not.to.throw();
    expect(() => refuseLocalReceivers(of('sns:a'), true)).not.to.throw();
  });

  it('ignores a job.json that names one anyway, put by anyone with write access to the store', async () => {
    const view = await putJob(place.platform, [{ name: 'a' }], {});
    const notify = ['exec:/bin/true', 'http://localhost/', 'https://example.com/'].map((to) => ({ on: ALL, to }));
    const record = { ...view.record, notifyFrom: '/', spec: { ...view.record.spec, notify } };
    const told = (remote?: true) => jobReceivers(tellingOf([], remote), record).map(({ to, trusted }) => [to, trusted]);
    expect(told(true)).to.deep.equal([['https://example.com/', false]]);
    expect(told().at(-1)).to.deep.equal(['https://example.com/', true]);
    // A program belongs to its machine; this machine is not the one that submitted the job.
    const elsewhere = jobReceivers(tellingOf([]), { ...record, host: 'elsewhere' });
    expect(elsewhere.map(({ to }) => to)).to.deep.equal(['http://localhost/', 'https://example.com/']);
  });

  it('shows only the host of a URL, because the rest may be a secret', () => {
    expect(shownReceiver('https://hooks.example.com/services/T0/B0/x?y=z')).to.equal('https://hooks.example.com/...');
    expect(shownReceiver('https://user:word@hooks.example.com/')).to.equal('https://hooks.example.com');
    expect(shownReceiver('sns:arn:aws:sns:eu-west-1:1:a')).to.equal('sns:arn:aws:sns:eu-west-1:1:a');
  });

  it('uses figures of queue, group, workers and open jobs', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    await addEntry(platform, view, { what: 'sent' });
    const { snapshot, tallies } = await readMetrics(platform);
    expect(snapshot.groups).to.have.length(1);
    expect(snapshot.groups[0]).to.include({ group: 'default', visible: 0, dead: 0, workers: 0, done: null });
    expect(snapshot.unknown).to.deep.equal([]);
    const later = await readMetrics(platform, { ...tallies, at: tallies.at - MINUTE });
    expect(later.snapshot.groups[0]).to.include({ done: 0, failed: 0 });
  });
});
