import { append, requireView } from '../../src/jobs/journal.ts';
import { look } from '../../src/jobs/watch/look.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Place } from './published-job.ts';
import { submitJob, work } from './submitted-job.ts';

const YAML = `
name: claims
input: { from: a.txt, split: { by: lines, every: 1 } }
tolerate: 1
steps:
  - { name: price, attempts: 1, run: "read n; case $n in 3|5) echo bad $n >&2; exit 65; esac; echo amount 1.10 >> $BATCHCTL_COUNTERS; echo $n" }
  - { name: convert, run: [cat] }
  - { name: totals, gather: true, run: [wc, -l] }
expect: [price.amount * 2 == 8.8]
`;

/** A job with six parts that real workers ran: one task failed and is tolerated, another was skipped by a person. */
export async function provenJob(place: Place): Promise<JobView> {
  const { platform } = place;
  const view = await submitJob(place, YAML, { 'a.txt': '1\n2\n3\n4\n5\n6\n' });
  await work(platform);
  await append({ ...platform, who: 'ann@desk' }, view, () => ({
    what: 'skip',
    tasks: { price: '4' },
    reason: 'a test claim',
  }));
  await look(platform, await requireView(platform.store, view.record.job));
  await work(platform);
  return requireView(platform.store, view.record.job);
}
