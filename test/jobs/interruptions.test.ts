// Protects: tasks that spot keeps interrupting move to the fallback group, and are neither lost nor sent twice.
import { expect } from 'chai';
import { putInterruption, tasksOfFallbacks } from '../../src/jobs/interruptions.ts';
import { refreshView } from '../../src/jobs/journal.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { linkedGroups } from '../../src/jobs/watch/resend-missing.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

const JOB = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, run: [cat], interruptions: 2, fallback: steady }
`;
const MARK = {
  format: 1,
  number: 1,
  worker: 'w-1',
  startedAt: '2026-11-30T06:00:00.000Z',
  endedAt: '2026-11-30T06:00:01.000Z',
} as const;

describe('tasks that spot keeps interrupting', () => {
  const place = forEachTest(openPlace);

  it('belong to the fallback after enough interrupted attempts in their round, unless they are decided', async () => {
    const { platform } = place;
    const view = await submitJob(place, JOB, {});
    const mark = (task: number, attempt: string, round = 0) =>
      putInterruption(platform.store, { job: view.record.job, step: 'price', task, round }, attempt, MARK);
    for (const attempt of ['a', 'a', 'b']) await mark(0, attempt);
    await mark(1, 'c');
    await mark(1, 'd', 7);
    for (const attempt of ['e', 'f']) await mark(2, attempt);
    await publishSmall({ platform, view }, 'price', 2, 'x');
    const { standing } = await look(platform, view);
    const found = await tasksOfFallbacks(platform.store, view, standing);
    expect([...(found.get(0) ?? [])]).to.deep.equal([0]);
  });

  it('are sent again only if neither their own queue nor the fallback’s has them', async () => {
    const { platform } = place;
    const view = await submitJob(place, JOB, {});
    const [own, steady] = [await platform.queue('default'), await platform.queue('steady')];
    const messages = await own.receive({ max: 10, waitSeconds: 0 });
    await steady.send(messages.map(({ body }) => ({ body, tenant: view.record.job })));
    await own.ack(messages.map(({ receipt }) => receipt));
    const clock = new FakeClock();
    const watcher = new JobWatcher({ ...platform, clock }, 15);
    const resendsAfter = async (seconds: number): Promise<number> => {
      clock.pass(seconds);
      await watcher.round(true);
      return (await refreshView(platform.store, view)).resends;
    };
    for (const seconds of [0, 31, 31]) expect(await resendsAfter(seconds)).to.equal(0);
    const [lost] = await steady.receive({ max: 1, waitSeconds: 0 });
    await steady.ack(lost === undefined ? [] : [lost.receipt]);
    expect(await resendsAfter(31)).to.equal(1);
  });

  it('link a group to its fallbacks across all jobs, and to no other group', () => {
    const spec = (steps: string) => parseJobFile(`name: x\nsteps:\n${steps}`, { file: 'x.yaml' });
    const specs = [
      spec('  - { name: a, run: x, group: one, fallback: two }\n  - { name: b, run: x, group: four }\n'),
      spec('  - { name: c, run: x, group: two, fallback: three }\n'),
    ];
    expect([...linkedGroups('three', specs)].sort()).to.deep.equal(['one', 'three', 'two']);
    expect(linkedGroups('four', specs)).to.deep.equal(['four']);
  });
});
