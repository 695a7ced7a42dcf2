// Protects: a watcher leaves a delivery to the process that makes it, and takes it over only once that process is dead.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deliveries, deliver, deliverNow, putDueMark } from '../../../src/jobs/deliver/deliver.ts';
import { append, readEntries } from '../../../src/jobs/journal.ts';
import { dueMark, jobKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';

describe('a delivery that a watcher sees', () => {
  const place = forEachTest(openPlace);
  const clock = new FakeClock(Date.parse('2026-11-30T08:00:00.000Z'));
  let view: JobView;
  let to: string;
  let deliveries: Deliveries;
  /** Lets seconds pass, then makes a round and waits for what it began. */
  const roundAfter = async (seconds: number): Promise<void> => {
    clock.pass(seconds);
    await deliveries.round();
    await deliveries.idle();
  };
  const delivered = (): boolean => readdirSync(to).includes('_SUCCESS');
  const mark = (begun: boolean) => putDueMark({ ...place.platform, clock }, view, view.delivery?.after ?? -1, begun);

  const failures = async (): Promise<number> =>
    (await readEntries(place.platform.store, view.record.job)).filter(({ what }) => what === 'undelivered').length;
  /** As a process that closes the job does it: the mark comes before the entry. */
  const putMarkAhead = async (): Promise<string> => {
    await putDueMark({ ...place.platform, clock }, view, view.next, false);
    return dueMark(view.record.job, view.next);
  };

  beforeEach(async () => {
    const { platform } = place;
    to = join(place.directory, 'results');
    mkdirSync(to);
    const yaml = `
name: count
input: { split: { by: range, from: 1, to: 1 } }
steps: [{ name: upper, run: [cat] }]
deliver: { to: ${to}, name: "n-{task}" }
`;
    const put = await putJob(platform, [], { job: 'count-20261130-0700-abcde', yaml, parts: 1 });
    const record = { ...put.record, deliverTo: { place: to, host: hostname() } };
    await platform.store.put(jobKey(record.job), JSON.stringify(record));
    await publishSmall({ platform, view: put }, 'upper', 0, 'x\n');
    const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
    view = (await append(platform, { ...put, record }, () => close)).view;
    const log = { info: () => undefined, warn: () => undefined };
    deliveries = new Deliveries({ ...platform, clock }, new AbortController().signal, log);
  });

  it('is begun at the second look if no process has begun it', async () => {
    await mark(false);
    await roundAfter(0);
    expect(delivered()).to.equal(false);
    await roundAfter(1);
    expect(delivered()).to.equal(true);
  });

  it('is left to the process that makes it until the mark was not renewed for two leases', async () => {
    const lease = place.platform.leaseSeconds;
    await mark(true);
    await roundAfter(0);
    await roundAfter(1);
    await roundAfter(2 * lease - 2);
    expect(delivered()).to.equal(false);
    // Renewed: the two leases begin again.
    await mark(true);
    await roundAfter(1);
    await roundAfter(2 * lease - 1);
    expect(delivered()).to.equal(false);
    await roundAfter(1);
    expect(delivered()).to.equal(true);
  });

  it('is left to the process that makes it by a caller that waits, as long as that process renews the mark', async () => {
    const { platform } = place;
    await mark(true);
    let looks = 0;
    // Each look comes a lease and a half after the one before. The first four find a renewed mark.
    const read: typeof platform.store.read = async (key, options) => {
      if (key !== dueMark(view.record.job, view.delivery?.after ?? -1)) return platform.store.read(key, options);
      looks += 1;
      clock.pass(1.5 * platform.leaseSeconds);
      if (looks <= 4) await mark(true);
      return platform.store.read(key, options);
    };
    await deliverNow({ ...platform, clock, store: wrapStore(platform.store, { read }) }, view);
    expect(delivered()).to.equal(true);
    expect(looks, 'two leases after the last renewal').to.equal(6);
  });

  it('is looked for once a minute by a busy process', async () => {
    await mark(false);
    const look = async (seconds: number): Promise<void> => {
      clock.pass(seconds);
      await deliveries.look(true);
      await deliveries.idle();
    };
    await look(0);
    await look(59);
    expect(delivered()).to.equal(false);
    await look(1);
    expect(delivered()).to.equal(true);
  });

  it('is left to the process that marked it and is about to close the job', async () => {
    const { store } = place.platform;
    const key = await putMarkAhead();
    await roundAfter(0);
    await roundAfter(1);
    expect(await store.read(key)).to.not.equal(null);
  });

  it('is tried again after a failure, once the time for it has come', async () => {
    rmSync(to, { recursive: true });
    writeFileSync(to, 'a file is in the way');
    await mark(false);
    for (let n = 0; n < 4; n += 1) await roundAfter(1);
    expect(await failures()).to.equal(1);
    rmSync(to);
    await roundAfter(50);
    expect(existsSync(to)).to.equal(false);
    for (let n = 0; n < 2; n += 1) await roundAfter(10);
    expect(delivered()).to.equal(true);
  });

  it('records the same failure once in half a minute, however often it is tried', async () => {
    rmSync(to, { recursive: true });
    writeFileSync(to, 'a file is in the way');
    const deliverNow = () => failsWith('refused', deliver({ ...place.platform, clock }, view));
    for (let n = 0; n < 3; n += 1) await deliverNow();
    expect(await failures()).to.equal(1);
    clock.pass(31);
    await deliverNow();
    expect(await failures()).to.equal(2);
  });

  it('is not recorded as failed because its process was interrupted', async () => {
    const stop = new AbortController();
    const passed = () => stop.abort();
    const error = await rejection(deliver(place.platform, view, { signal: stop.signal, passed }));
    expect(error.name).to.equal('AbortError');
    expect(await failures()).to.equal(0);
    expect(delivered()).to.equal(false);
  });
});
