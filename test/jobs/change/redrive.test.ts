// Protects: queue redrive sends back the dead letters of the job, task and number that were asked for, and no others.
import { expect } from 'chai';
import { planRedrive, type RedriveOptions } from '../../../src/jobs/change/redrive.ts';
import { encodeMessage } from '../../../src/model/message.ts';
import { burialsOf } from '../../contracts/queue-messages.ts';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const yaml = (name: string): string => `name: ${name}
input: { split: { by: range, from: 1, to: 3 } }
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
});
