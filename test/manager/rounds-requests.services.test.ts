// Protects: an idle manager on AWS makes no more requests, and costs no more, than documented.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Duties } from '../../src/manager/duties.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { forSuite } from '../support/fixture.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { rangeJob } from '../support/range-job.ts';
import { makeScalingGroup, scalingWorkspace } from '../support/scaling-group.ts';

/** Milliseconds. */
const HOUR = 3_600_000;

describe('the AWS requests of an idle manager', () => {
  const cloud = forSuite(() => startCloud());

  it('are no more per hour than docs/manager.md says', async () => {
    const workspace = await scalingWorkspace(cloud);
    try {
      await makeScalingGroup(cloud, workspace.stack, { max: 8 });
      workspace.write('job.json', rangeJob('claims', 1, { name: 'price', run: 'true' }));
      // A schedule that is not due costs no requests.
      await workspace.well('schedule', 'add', 'yearly', 'job.json', '--cron', '0 0 1 1 *', '--tz', 'UTC');
      const lines: LogLine[] = [];
      const duties = new Duties({
        ...{ platform: await workspace.platform(), id: 'manager-here-1', log: (line) => lines.push(line) },
        ...{ signal: new AbortController().signal, nudge: () => undefined, onHung: () => undefined },
      });
      const perHour = new Map<string, number>();
      const round = async (): Promise<void> => {
        for (const { run } of duties.all.values()) {
          cloud.takeCalls();
          const again = await run();
          for (const call of cloud.takeCalls()) {
            const kind = kindOf(call);
            perHour.set(kind, (perHour.get(kind) ?? 0) + HOUR / again);
          }
        }
        await duties.idle();
      };
      await round();
      // Requests that a process makes only once are not part of its hourly cost.
      perHour.clear();
      await round();
      expect(lines.map(({ text }) => text)).to.deep.equal([]);
      const rows = [...perHour].map(([kind, count]) => `| ${kind} | ${Math.round(count)} |`).sort();
      const page = readFileSync(join(import.meta.dirname, '../../docs/manager.md'), 'utf8');
      const told = [...page.matchAll(/^\| (?:s3|sqs|autoscaling) \S+ \| \d+ \|/gm)].map(([row]) => row).sort();
      expect(rows).to.deep.equal(told);
    } finally {
      await workspace.remove();
    }
  });
});

/** As AWS bills them: listing and writing at one price, reading at another; sizes are free. */
function kindOf({ service, action, method, url }: Cloud['calls'][number]): string {
  if (service !== 's3') return `${service} ${action.replace(/^(Describe).*/, '$1')}`;
  if (method === 'GET' && url.searchParams.has('list-type')) return 's3 LIST';
  return `s3 ${method}`;
}
