// Protects: a job whose job.json workers may not read is paused; it neither ends workers nor starts machines repeatedly.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { reportUnreadableJob } from '../../src/jobs/denied-job.ts';
import { openJobsCheck, readOpenJobs, versionsCheck } from '../../src/jobs/doctor/grid-checks.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { wait } from '../../src/lib/wait.ts';
import type { JobState } from '../../src/model/job-state.ts';
import { deniedMark, jobKey, jobPrefix, journalKey, partShardKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';

/** Seconds. A worker leaves if the store refuses everything for a lease; a job is paused after five seconds. */
const LEASE = 30;

describe('a job that its workers may not read', () => {
  const workspace = forEachTest(() => new Workspace());
  /** The platform of a person who may read everything. */
  let platform: Platform;
  beforeEach(async () => {
    platform = await workspace.platform();
  });

  /** The platform of a worker that may not use certain keys; a denial takes this many milliseconds. */
  async function denyKeys(denies: (key: string) => boolean, ms = 0): Promise<Platform> {
    const platform = await workspace.platform(workspace.worker, LEASE);
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
    workspace.write('job.json', rangeJob(name, tasks, { name: 'one', run: 'cat' }));
    return workspace.submit('--no-scale');
  }

  const waitForState = (id: string, state: JobState): Promise<true> =>
    until(`${id} is ${state}`, async () => stateOf(await requireView(platform.store, id)) === state);

  it('is paused with the missing permission in its journal while other jobs continue, and continues once it is resumed', async () => {
    const unreadable = await submit('unreadable', 3);
    let isDenied = true;
    const denied = await denyKeys((key) => isDenied && key === jobKey(unreadable));
    const worker = startWorkerInProcess(workspace, denied, { slots: 2, untilEmpty: false });
    await waitForState(unreadable, 'paused');
    const { paused, record, next } = await requireView(platform.store, unreadable);
    expect(paused).to.include({ reason: 'denied', who: workspace.worker });
    expect(paused?.detail).to.include(`s3:GetObject on arn:aws:s3:::b/${jobKey(unreadable)}`);
    await until('its messages are dropped', async () => {
      const { visible, leased, delayed } = await (await platform.queue('default')).backlog();
      return visible + leased + delayed === 0;
    });
    expect((await requireView(platform.store, unreadable)).next, 'one pause').to.equal(next);
    const open = await submit('open', 2);
    await waitForState(open, 'succeeded');
    isDenied = false;
    await workspace.run(['resume', record.job, '--no-scale']);
    await waitForState(unreadable, 'succeeded');
    await worker.drain();
  });

  it('gets a mark if the journal is denied too, and its worker continues with other jobs', async () => {
    const unreadable = await submit('unreadable', 3);
    let isDenied = true;
    const denied = await denyKeys((key) => isDenied && key.startsWith(jobPrefix(unreadable)));
    const worker = startWorkerInProcess(workspace, denied, { slots: 2, untilEmpty: false });
    await until('it is marked', async () => (await platform.store.head(deniedMark(unreadable))) !== null);
    const open = await submit('open', 2);
    await waitForState(open, 'succeeded');
    expect(stateOf(await requireView(platform.store, unreadable))).to.equal('running');
    const right = `s3:GetObject on arn:aws:s3:::b/${jobKey(unreadable)}`;
    const seen = await openJobsCheck(platform, await readOpenJobs(platform));
    expect(seen).to.include({ severity: 'fail', fix: `allow it, then batchctl resume ${unreadable}` });
    expect(seen.message).to.include(`workers can't read ${unreadable}`).and.include(right);
    expect(versionsCheck(await readOpenJobs(denied)).message)
      .to.include(`job ${unreadable} can't be read`)
      .and.include(right);
    isDenied = false;
    // Its messages are delayed for longer than an idle worker stays, so another one is sent.
    const body = encodeMessage({ job: unreadable, step: 'one', task: 0, round: 0 });
    await (await platform.queue('default')).send([{ body, tenant: unreadable }]);
    await until(
      'the worker removes its mark',
      async () => (await platform.store.head(deniedMark(unreadable))) === null,
    );
    await workspace.run(['resume', unreadable, '--no-scale']);
    await waitForState(unreadable, 'succeeded');
    await worker.drain();
  });

  for (const [what, denies] of [
    ['job', (id: string) => jobKey(id)],
    ["parts of a job's input", (id: string) => partShardKey(id, 0)],
  ] as const) {
    it(`is paused although no message comes back while others wait, as in a long queue: the ${what}`, async () => {
      const unreadable = await submit('unreadable', 4_000);
      // Each message is denied once, which takes longer than the delay of a returned task.
      const denied = await denyKeys((key) => key === denies(unreadable), 5);
      const queue = await denied.queue('default');
      const release = queue.release.bind(queue);
      queue.release = (all) => release(all.map((each) => ({ ...each, delay: 900 })));
      const worker = startWorkerInProcess(
        workspace,
        { ...denied, queue: async () => queue },
        { slots: 2, untilEmpty: false },
      );
      await Promise.race([waitForState(unreadable, 'paused'), worker.done.then(() => expect.fail('the worker left'))]);
      expect((await requireView(platform.store, unreadable)).paused?.detail).to.include(denies(unreadable));
      await worker.stop();
    });
  }

  it('is not paused because of tasks that are decided, given up, damaged or not sent yet', async () => {
    const entry = (what: object): string =>
      JSON.stringify({ format: 1, id: 'x', when: '2026-11-30T00:00:00.000Z', who: 'me', ...what });
    const sent = { what: 'sent' };
    for (const [name, entries, expected] of [
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
      expect(await reportUnreadableJob(platform, name, 'x'), name).to.equal(expected);
      expect(await platform.store.head(journalKey(name, entries.length)), name).to.equal(null);
    }
  });
});
