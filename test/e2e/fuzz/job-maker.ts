import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { JobSpec } from '../../../src/model/job.ts';
import type { Chance } from '../../support/chance.ts';

type Kind = 'map' | 'gather' | 'explode';

const SHAPES: readonly (readonly Kind[])[] = [
  ['map'],
  ['map', 'map'],
  ['map', 'map', 'map'],
  ['map', 'gather'],
  ['map', 'map', 'gather'],
  ['map', 'gather', 'gather'],
  ['map', 'gather', 'map'],
  ['explode', 'map'],
  ['explode', 'map', 'map', 'gather'],
  ['map', 'explode', 'map', 'gather'],
  ['map', 'gather', 'explode', 'map'],
];

/** A job whose commands name the program's version. */
export type JobFile = (version: number) => JobSpec;

/** `extended`: only shapes that can be. */
export function makeJob(chance: Chance, extended: boolean): JobFile {
  const shape = chance.pick(extended ? SHAPES.filter((kinds) => kinds.every((kind) => kind === 'map')) : SHAPES);
  const file = {
    name: 'fuzz',
    params: { fix: '0' },
    input: { split: { by: 'range', from: 1, to: chance.pick([1, 2, 3, 3, 4, 5]) } },
    tolerate: chance.pick([0, 0, 1, 2, '50%']),
    onFailure: chance.is(0.3) ? 'stop' : 'finish',
    ...(chance.is(0.15) && { maxRunning: chance.whole(1, 2) }),
  };
  const attempts = shape.map(() => chance.whole(1, 2));
  return (version) => {
    const steps = shape.map((kind, index) => ({
      name: `${kind[0]}${index}`,
      run: ['prog', `v${version}`, '{fix}'],
      attempts: attempts[index],
      permanent: [65],
      ...(kind === 'gather' && { gather: true }),
      ...(kind === 'explode' && { explode: true, output: 'files' }),
    }));
    return parseJobFile(JSON.stringify({ ...file, steps }), { file: 'job.json' });
  };
}
