// Protects: queue redrive sends back the dead letters of the job, task and number that were asked for, and no others.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { planRedrive, type RedriveOptions } from '../../../src/jobs/change/redrive.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { encodeMessage } from '../../../src/model/message.ts';
import { burialsOf } from '../../contracts/queue-messages.ts';
import { failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { withMethods } from '../../support/with-methods.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const yaml = (name: string): string => `name: ${name}
input: { split: { by: range, from: 1, to: 11 } }
steps: [{ name: one, run: [cat] }, { name: two, run: [cat] }]
`;

describe('the dead letters to send back', () => {
  const place = forEachTest(openPlace);
  let jobs: readonly string[];
  /** A letter for each task of each step of both jobs, and one that is no message. */
  let bodies: readonly string[];

  beforeEach(async () => {
    const queue = await place.platform.queue('default');
    const views = [await submitJob(place, yaml('a'), {}), await submitJob(place, yaml('b'), {})];
    await queue.purge({});
    jobs = views.map(({ record }) => record.job);
    bodies = jobs.flatMap((job) =>
      ['one', 'two'].flatMap((step) => [0, 1, 2].map((task) => encodeMessage({ job, step, task, round: 0 }))),
    );
    await queue.send([...bodies, 'no message'].map((body) => ({ body, tenant: 't' })));
    await queue.bury(burialsOf(await queue.receive({ max: 20, waitSeconds: 0 })));
  });

  const ALL = { group: 'default', job: null, task: null, limit: Number.POSITIVE_INFINITY };
  const rows: readonly {
    readonly what: string;
    readonly asked: (job: string) => Partial<RedriveOptions>;
    readonly sent: readonly [ofFirst: number, ofSecond: number, others: number];
  }[] = [
    { what: 'all of them', asked: () => ({}), sent: [6, 6, 1] },
    { what: 'those of a job', asked: (job) => ({ job }), sent: [6, 0, 0] },
    {
      what: 'that of a task of one step',
      asked: (job) => ({ job, task: { step: 1, name: 'two', task: 2 } }),
      sent: [1, 0, 0],
    },
  ];
  for (const { what, asked, sent } of rows) {
    it(`are ${what}, which the plan counts without sending any`, async () => {
      const queue = await place.platform.queue('default');
      const [first = '', second = ''] = jobs;
      const { planned, send } = await planRedrive(place.platform, { ...ALL, ...asked(first) });
      const total = sent.reduce((sum, count) => sum + count, 0);
      const counts = [first, second, null].map((job) => planned.jobs.find((each) => each.job === job)?.letters ?? 0);
      expect([planned.sent, counts, planned.dryRun]).to.deep.equal([total, sent, true]);
      expect((await queue.backlog()).dead).to.equal(13);
      expect((await send()).sent).to.equal(total);
      const { visible, dead } = await queue.backlog();
      expect({ visible, dead }).to.deep.equal({ visible: total, dead: 13 - total });
    });
  }

  it('are at most as many as asked for', async () => {
    const queue = await place.platform.queue('default');
    const { planned, send } = await planRedrive(place.platform, { ...ALL, job: jobs[0] ?? '', limit: 2 });
    expect(planned.sent).to.equal(2);
    expect((await send()).sent).to.equal(2);
    expect(await queue.backlog()).to.include({ visible: 2, dead: 11 });
  });

  it('are the planned ones, not those that were buried meanwhile', async () => {
    const queue = await place.platform.queue('default');
    const { send } = await planRedrive(place.platform, { ...ALL, job: jobs[0] ?? '' });
    await queue.send([{ body: 'later', tenant: 't' }]);
    await queue.bury(burialsOf(await queue.receive({ max: 20, waitSeconds: 0 })));
    expect((await send()).sent).to.equal(6);
    expect((await queue.backlog()).dead).to.equal(8);
  });

  it('are retried first where their task failed for good, in the order of its number, and only in that job', async () => {
    const queue = await place.platform.queue('default');
    const [job = ''] = jobs;
    const tens = [10, 2].map((task) => ({ body: encodeMessage({ job, step: 'one', task, round: 0 }), tenant: 't' }));
    await queue.send(tens.slice(0, 1));
    await queue.bury(burialsOf(await queue.receive({ max: 20, waitSeconds: 0 })));
    for (const task of [10, 2]) await failForGood(place.platform, job, 'one', task);
    const { planned, send } = await planRedrive(place.platform, ALL);
    expect(planned.retried).to.deep.equal([{ job, round: null, tasks: ['one/2', 'one/10'] }]);
    expect((await requireView(place.platform.store, job)).round).to.equal(0);
    const done = await send();
    expect(done.retried).to.deep.equal([{ job, round: 1, tasks: ['one/2', 'one/10'] }]);
    expect([planned.sent, done.sent, done.left]).to.deep.equal([14, 14, []]);
    // The letters, and the two messages of the retry.
    expect(await queue.backlog()).to.include({ visible: 16, dead: 0 });
  });

  it('of an earlier round stay; if their job is named they are sent back to be acked, and nothing is retried again', async () => {
    const [job = ''] = jobs;
    await failForGood(place.platform, job, 'one', 0);
    const view = await requireView(place.platform.store, job);
    await retry(place.platform, view, { tasks: [{ step: 0, name: 'one', task: 0 }] });
    await failForGood(place.platform, job, 'one', 0, 1);
    const all = await planRedrive(place.platform, ALL);
    const why = 'a later round has replaced it';
    expect(all.planned.left).to.deep.equal([{ job, tasks: ['one/0', 'two/0'], why, ifNamed: false }]);
    expect(all.planned.sent).to.equal(11);
    const named = await planRedrive(place.platform, { ...ALL, job });
    expect(named.planned).to.deep.include({ sent: 6, retried: [], left: [] });
  });

  it('are not retried if a person skipped their task', async () => {
    const [job = ''] = jobs;
    await failForGood(place.platform, job, 'one', 0);
    const tasks = [{ step: 0, name: 'one', task: 0 }];
    await skip(place.platform, await requireView(place.platform.store, job), { tasks, reason: 'known' });
    expect((await planRedrive(place.platform, { ...ALL, job })).planned).to.deep.include({ sent: 6, retried: [] });
  });

  it('stay, with the reason, if their task was skipped after the plan: the others are sent back', async () => {
    const [job = ''] = jobs;
    await failForGood(place.platform, job, 'one', 0);
    const { send } = await planRedrive(place.platform, { ...ALL, job });
    const tasks = [{ step: 0, name: 'one', task: 0 }];
    await skip(place.platform, await requireView(place.platform.store, job), { tasks, reason: 'known' });
    const done = await send();
    expect(done).to.deep.include({ sent: 5, retried: [] });
    expect(done.left.map(({ tasks: names, why }) => [names, why])).to.deep.equal([
      [['one/0'], `task one/0 of job ${job} was skipped, so nothing waits for it`],
    ]);
  });

  it('are not searched again if none was chosen: that hides them for a while', async () => {
    const queue = withMethods(await place.platform.queue('default'), {
      redrive: () => expect.fail('the queue was searched'),
    });
    const { send } = await planRedrive({ ...place.platform, queue: async () => queue }, { ...ALL, job: 'none' });
    expect((await send()).sent).to.equal(0);
  });

  it('are not chosen while the store does not answer: a letter would pass for one that must stay', async () => {
    const store = wrapStore(place.platform.store, {
      read: () => Promise.reject(new BatchctlError('unavailable', 'no answer')),
    });
    await failsWith('unavailable', planRedrive({ ...place.platform, store }, ALL));
  });

  it('cost one reading of each job and two listings of each step, however many they are', async () => {
    const calls: string[] = [];
    const { store } = place.platform;
    const counting = wrapStore(store, {
      read: (key, options) => {
        if (key.endsWith('/job.json')) calls.push('read');
        return store.read(key, options);
      },
      keys: (prefix, options) => {
        calls.push('list');
        return store.keys(prefix, options);
      },
      list: (prefix, options) => {
        calls.push('list');
        return store.list(prefix, options);
      },
    });
    const count = async (job: string | null, limit: number): Promise<string> => {
      calls.length = 0;
      await planRedrive({ ...place.platform, store: counting }, { ...ALL, job, limit });
      return calls.sort().join(' ');
    };
    const [job = ''] = jobs;
    expect(await count(job, 3)).to.equal(await count(job, 1));
  });
});
