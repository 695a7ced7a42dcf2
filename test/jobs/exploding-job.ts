import { look } from '../../src/jobs/watch/look.ts';
import { stepPartShardKey } from '../../src/model/keys.ts';
import type { FilePart } from '../../src/model/part.ts';
import type { JobView } from '../../src/model/view.ts';
import { countMessages } from '../support/stored.ts';
import { openPlace, type Place, publishManifest, publishSmall } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

/** A step of three tasks that make files, a step with a task for each file, and a gather. */
export const EXPLODING = `name: words
input: { split: { by: range, from: 1, to: 3 } }
tolerate: 1
steps:
  - { name: split, output: files, explode: true, run: [cat] }
  - { name: count, run: [cat] }
  - { name: total, gather: true, run: [cat] }
`;

/** The files that each task of `split` makes: five in total, one of them empty, two with the same name. */
const FILES: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  0: { 'a.txt': 'one\n', 'sub/b.txt': 'two\n' },
  1: { 'empty.txt': '' },
  2: { 'a.txt': 'three\n', 'c.txt': 'four\n' },
};

/** Submits the job; publishes nothing. */
export async function explodingJob(yaml = EXPLODING): Promise<{ readonly place: Place; readonly view: JobView }> {
  const place = await openPlace();
  return { place, view: await submitJob(place, yaml, {}) };
}

/** Publishes the files of some tasks of a step. */
export async function publishFiles(
  { platform }: Place,
  view: JobView,
  tasks: readonly number[] = [0, 1, 2],
  step = 'split',
): Promise<void> {
  for (const task of tasks) await publishManifest({ platform, view }, step, task, FILES[task] ?? {});
}

/** Publishes outputs of the `count` tasks of the step `count`, and of the gather. Returns the view. */
export async function publishRest({ platform }: Place, view: JobView, count: number): Promise<JobView> {
  for (let n = 0; n < count; n += 1) await publishSmall({ platform, view }, 'count', n, `${n}\n`);
  await look(platform, view);
  await publishSmall({ platform, view }, 'total', 0, `${count}\n`);
  return (await look(platform, view)).view;
}

/** The parts in the first shard of the step `count`; none before it is written. */
export async function partsOf({ platform }: Place, view: JobView): Promise<readonly FilePart[]> {
  const bytes = await platform.store.read(stepPartShardKey(view.record.job, 'count', 0));
  const lines = new TextDecoder().decode(bytes ?? new Uint8Array()).split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as FilePart);
}

/** The number of messages of the group `default`: waiting, leased or delayed. */
export async function queuedIn({ platform }: Place): Promise<number> {
  return countMessages(await platform.queue('default'));
}
