// Protects: an idle manager on AWS makes no more requests, and costs no more, than documented.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LogLine } from '../../src/manager/log.ts';
import { forSuite } from '../support/fixture.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { rangeJob } from '../support/range-job.ts';
import { createScalingGroup, scalingWorkspace } from '../support/scaling-group.ts';
import { testDuties } from './rounds-lab.ts';

/** Milliseconds. */
const HOUR = 3_600_000;

describe('the AWS requests of an idle manager', () => {
  const cloud = forSuite(() => startCloud());

  it('are no more per hour than docs/manager.md says', async () => {
    const workspace = await scalingWorkspace(cloud);
    try {
      await createScalingGroup(cloud, workspace.stack, { max: 8 });
      workspace.write('job.json', rangeJob('claims', 1, { name: 'price', run: 'true' }));
      // A schedule that is not due costs no requests.
      await workspace.runSuccessfully('schedule', 'add', 'yearly', 'job.json', '--cron', '0 0 1 1 *', '--tz', 'UTC');
      const lines: LogLine[] = [];
      const duties = testDuties(await workspace.platform(), lines);
      const perHour = new Map<string, number>();
      const runAll = async (): Promise<void> => {
        for (const { run } of duties.all.values()) {
          cloud.takeCalls();
          const restMs = await run();
          for (const call of cloud.takeCalls()) {
            const kind = kindOf(call);
            perHour.set(kind, (perHour.get(kind) ?? 0) + HOUR / restMs);
          }
        }
        await duties.idle();
      };
      await runAll();
      // Requests that a process makes only once are not part of its hourly cost.
      perHour.clear();
      await runAll();
      expect(lines.map(({ text }) => text)).to.deep.equal([]);
      const rows = [...perHour].map(([kind, count]) => `| ${kind} | ${Math.round(count)} |`).sort();
      const page = readFileSync(join(import.meta.dirname, '../../docs/manager.md'), 'utf8');
      const documented = [...page.matchAll(/^\| (?:s3|sqs|autoscaling) \S+ \| \d+ \|/gm)].map(([row]) => row).sort();
      expect(rows).to.deep.equal(documented);
    } finally {
      await workspace.remove();
    }
  });
});

/** The kind by which AWS bills it: lists and writes at one price, reads at another. */
function kindOf({ service, action, method, url }: Cloud['calls'][number]): string {
  if (service !== 's3') return `${service} ${action.replace(/^(Describe).*/, '$1')}`;
  if (method === 'GET' && url.searchParams.has('list-type')) return 's3 LIST';
  return `s3 ${method}`;
}
