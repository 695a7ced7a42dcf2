// Protects: a report doesn't count a task twice when two workers ran it at the same time.
import { expect } from 'chai';
import type { Report } from '../../src/model/answers/report.ts';
import { outKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

describe('the report of a task that two workers ran at the same time', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('counts the losing attempt as interrupted, and as ended', async () => {
    const slow = `[ $BATCHCTL_WORKER_ID != w-slow ] || while [ ! -e "$HOME/go" ]; do sleep 0.02; done`;
    workspace.write('job.json', rangeJob('one', 1, { name: 'only', run: `echo run >> "$HOME/ran"; ${slow}; echo x` }));
    const job = await workspace.submit();
    const platform = await workspace.platform();
    const first = workspace.start(['worker', '--slots', '1', '--until-empty'], { BATCHCTL_SUPERVISED_ID: 'w-slow' });
    await until('the first runs', () => workspace.lines('ran').length === 1);
    const queue = await platform.queue('default');
    await queue.send([{ body: encodeMessage({ job, step: 'only', task: 0, round: 0 }), tenant: job }]);
    const second = workspace.work({ BATCHCTL_SUPERVISED_ID: 'w-quick' });
    await until('the second was done', () => platform.store.head(outKey(job, 'only', 0)));
    workspace.write('go', '');
    await Promise.all([first.ended, second]);
    const attempts = await (await platform.ledger()).attempts(job, 'only', 0);
    const lost = attempts.find(({ worker }) => worker === 'w-slow');
    expect(lost).to.include({ outcome: 'interrupted', reason: 'twin' });
    expect(lost?.endedAt).to.be.a('number');
    const found = JSON.parse((await workspace.run(['report', job, '--json'])).stdout) as Report;
    expect(found.totals).to.include({ done: 1, interrupted: 1, attempts: 2, failed: 0 });
    expect(found.totals.lostSeconds).to.be.above(0);
  });
});
