import { look } from '../../src/jobs/watch/look.ts';
import { stepPartShardKey } from '../../src/model/keys.ts';
import type { FilePart } from '../../src/model/part.ts';
import type { JobView } from '../../src/model/view.ts';
import { openPlace, type Place, publishManifest, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';

/** Three tasks that make files, a step that takes them, and a gather. */
export const EXPLODING = `name: words
input: { split: { by: range, from: 1, to: 3 } }
tolerate: 1
steps:
  - { name: split, output: files, explode: true, run: [cat] }
  - { name: count, run: [cat] }
  - { name: total, gather: true, run: [cat] }
`;

/** The files that each task of `split` makes: five in all, one of them empty, two of one name. */
const FILES: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  0: { 'a.txt': 'one\n', 'sub/b.txt': 'two\n' },
  1: { 'empty.txt': '' },
  2: { 'a.txt': 'three\n', 'c.txt': 'four\n' },
};

/** Submits the job; nothing of it is published. */
export async function explodingJob(yaml = EXPLODING): Promise<{ readonly place: Place; readonly view: JobView }> {
  const place = await openPlace();
  return { place, view: await submitJob(place, yaml, {}) };
}

/** Publishes the files of these tasks of a step. */
export async function publishFiles(
  { platform }: Place,
  view: JobView,
  tasks: readonly number[] = [0, 1, 2],
  step = 'split',
): Promise<void> {
  for (const task of tasks) await publishManifest({ platform, view }, step, task, FILES[task] ?? {});
}

/** Publishes an output of each of `count` tasks of the step behind the explode, and of the gather. Answers the view. */
export async function publishRest({ platform }: Place, view: JobView, count: number): Promise<JobView> {
  for (let n = 0; n < count; n += 1) await publishSmall({ platform, view }, 'count', n, `${n}\n`);
  await look(platform, view);
  await publishSmall({ platform, view }, 'total', 0, `${count}\n`);
  return (await look(platform, view)).view;
}

/** The parts of the step `count` that stand in its first shard; none while it isn't there. */
export async function partsOf({ platform }: Place, view: JobView): Promise<readonly FilePart[]> {
  const bytes = await platform.store.read(stepPartShardKey(view.record.job, 'count', 0));
  const lines = new TextDecoder().decode(bytes ?? new Uint8Array()).split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as FilePart);
}

/** Messages of the group `default`: waiting, leased or delayed. */
export async function queuedIn({ platform }: Place): Promise<number> {
  const { visible, leased, delayed } = await (await platform.queue('default')).backlog();
  return visible + leased + delayed;
}
