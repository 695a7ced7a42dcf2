// Protects: a job whose job.json workers may not read is paused; it neither ends workers nor starts machines again and
// again.

import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { reportUnreadableJob } from '../../src/jobs/denied-job.ts';
import { openJobsCheck, readOpenJobs, versionsCheck } from '../../src/jobs/doctor/grid-checks.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { wait } from '../../src/lib/wait.ts';
import { deniedMark, jobKey, jobPrefix, journalKey, partShardKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { forEachTest } from '../support/fixture.ts';
import { startInside } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';

const job = (name: string, tasks: number) => rangeJob(name, tasks, { name: 'one', run: 'cat' });

describe('a job that its workers may not read', () => {
  const workspace = forEachTest(() => new Workspace());
  /** The platform of a person who may read everything. */
  let platform: Platform;
  beforeEach(async () => {
    platform = await workspace.platform();
  });

  /** A worker's platform that is denied certain keys. */
  async function denying(denies: (key: string) => boolean, ms = 0): Promise<Platform> {
    const platform = await workspace.platform(workspace.worker, 6);
    const check = (action: string, key: string): void => {
      if (!denies(key)) return;
      const denied = `${action} on arn:aws:s3:::b/${key}`;
      throw new BatchctlError('credentials', `could not read ${key}: ${denied} is denied`, { denied });
    };
    const over: Partial<ObjectStore> = {
      read: async (key, options) => {
        if (denies(key)) await wait(ms);
        check('s3:GetObject', key);
        return platform.store.read(key, options);
      },
      put: async (key, body, options) => {
        check('s3:PutObject', key);
        return platform.store.put(key, body, options);
      },
    };
    return { ...platform, store: wrapStore(platform.store, over) };
  }

  async function submit(name: string, tasks: number): Promise<string> {
    workspace.write('job.json', job(name, tasks));
    return workspace.submit('--no-scale');
  }

  const stateHere = async (id: string): Promise<string> => stateOf(await requireView(platform.store, id));

  it('is paused with the missing permission in its journal while other jobs continue, and continues once it is resumed', async () => {
    const shut = await submit('shut', 3);
    let isShut = true;
    const denied = await denying((key) => isShut && key === jobKey(shut));
    const worker = startInside(workspace, denied, { slots: 2, untilEmpty: false });
    await until('it is paused', async () => (await stateHere(shut)) === 'paused');
    const { paused, record, next } = await requireView(platform.store, shut);
    expect(paused).to.include({ reason: 'denied', who: workspace.worker });
    expect(paused?.detail).to.include(`s3:GetObject on arn:aws:s3:::b/${jobKey(shut)}`);
    await until('its messages are dropped', async () => {
      const { visible, leased, delayed } = await (await platform.queue('default')).backlog();
      return visible + leased + delayed === 0;
    });
    expect((await requireView(platform.store, shut)).next, 'one pause').to.equal(next);
    const open = await submit('open', 2);
    await until('the other job ends', async () => (await stateHere(open)) === 'succeeded');
    isShut = false;
    await workspace.run(['resume', record.job, '--no-scale']);
    await until('it ends', async () => (await stateHere(shut)) === 'succeeded');
    await worker.drain();
  });

  it('keeps its worker working on other jobs, and gets a mark, if the journal is denied too', async () => {
    const shut = await submit('shut', 3);
    let isShut = true;
    const denied = await denying((key) => isShut && key.startsWith(jobPrefix(shut)));
    const worker = startInside(workspace, denied, { slots: 2, untilEmpty: false });
    await until('it is marked', async () => (await platform.store.head(deniedMark(shut))) !== null);
    const open = await submit('open', 2);
    await until('the other job ends', async () => (await stateHere(open)) === 'succeeded');
    expect(await stateHere(shut)).to.equal('running');
    const right = `s3:GetObject on arn:aws:s3:::b/${jobKey(shut)}`;
    const seen = await openJobsCheck(platform, await readOpenJobs(platform));
    expect(seen).to.include({ status: 'fail', mend: `allow it, then batchctl resume ${shut}` });
    expect(seen.message).to.include(`workers can't read ${shut}`).and.include(right);
    expect(versionsCheck(await readOpenJobs(denied)).message)
      .to.include(`job ${shut} can't be read`)
      .and.include(right);
    isShut = false;
    // Its messages stay hidden longer than an idle worker stays, so others of them are received at once.
    const body = encodeMessage({ job: shut, step: 'one', task: 0, round: 0 });
    await (await platform.queue('default')).send([{ body, tenant: shut }]);
    await until('the worker removes its mark', async () => (await platform.store.head(deniedMark(shut))) === null);
    await workspace.run(['resume', shut, '--no-scale']);
    await until('it ends', async () => (await stateHere(shut)) === 'succeeded');
    await worker.drain();
  });

  for (const [what, denies] of [
    ['job', (id: string) => jobKey(id)],
    ["parts of a job's input", (id: string) => partShardKey(id, 0)],
  ] as const) {
    it(`is paused although no message comes back while others wait, as in a long queue: the ${what}`, async () => {
      const shut = await submit('shut', 4_000);
      // No message is left once each was denied: the refusals take longer than a task is returned for.
      const denied = await denying((key) => key === denies(shut), 5);
      const queue = await denied.queue('default');
      const release = queue.release.bind(queue);
      queue.release = (all) => release(all.map((each) => ({ ...each, delay: 900 })));
      const worker = startInside(workspace, { ...denied, queue: async () => queue }, { slots: 2, untilEmpty: false });
      const paused = until('it is paused', async () => (await stateHere(shut)) === 'paused');
      await Promise.race([paused, worker.done.then(() => expect.fail('the worker left'))]);
      expect((await requireView(platform.store, shut)).paused?.detail).to.include(denies(shut));
      await worker.stop();
    });
  }

  it('is not paused because of tasks that are decided, given up, damaged or not sent yet', async () => {
    const entry = (what: object): string =>
      JSON.stringify({ format: 1, id: 'x', when: '2026-11-30T00:00:00.000Z', who: 'me', ...what });
    const sent = { what: 'sent' };
    for (const [name, entries, said] of [
      ['unsent', [], 'unsaid'],
      ['stopped', [sent, { what: 'stop', cause: 'x' }], 'unsaid'],
      ['closed', [sent, { what: 'close', state: 'failed', reason: null, round: 0 }], 'unsaid'],
      ['later', [sent, { what: 'unheard-of' }], 'unsaid'],
      ['holed', [sent, null, sent], 'unsaid'],
      ['cancelled', [sent, { what: 'cancel' }], 'cancelled'],
      ['pruned', [sent, { what: 'prune' }], 'gone'],
      ['paused', [sent, { what: 'pause', now: false, reason: 'person' }], 'paused'],
    ] as const) {
      for (const [n, what] of entries.entries()) {
        if (what !== null) await platform.store.put(journalKey(name, n), entry(what));
      }
      expect(await reportUnreadableJob(platform, name, 'x'), name).to.equal(said);
      expect(await platform.store.head(journalKey(name, entries.length)), name).to.equal(null);
    }
  });
});
