// Protects: failures says what the tasks of a cause have in common: parameters, inputs, directories; and nothing that chance explains.
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const FAILS_SEED_2 = 'if [ "$2" = 2 ]; then echo "seed $2 diverged" >&2; exit 3; fi; echo "$1"';
const STEP = `steps:
  - { name: train, run: [sh, -c, '${FAILS_SEED_2}', sh, "{lr}", "{seed}"], attempts: 1 }
halt: never
`;

describe('the facets of failures', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  const facetTexts = async (): Promise<readonly string[]> => {
    const causes = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    return causes.flatMap(({ facets }) => facets.map(({ text }: { readonly text: string }) => text));
  };

  const runSplit = async (from: readonly string[], split: object, run: string): Promise<void> => {
    const steps = [{ name: 'map', run, attempts: 1 }];
    here.write('job.json', { name: 'facets', input: { from, split }, steps, halt: 'never' });
    expectExit(await here.run(['run', 'job.json', '--quiet']), 5);
  };

  it('name the parameter of a grid that all failures share, in the list, in its details and in JSON', async () => {
    const values = (count: number, of: (n: number) => string): string =>
      Array.from({ length: count }, (_, n) => of(n)).join(', ');
    const axes = `{ lr: [${values(10, (n) => `0.${n}1`)}], seed: [${values(5, String)}] }`;
    here.write('sweep.yaml', `name: sweep\ninput: { split: { by: grid, axes: ${axes} } }\n${STEP}`);
    expectExit(await here.run(['run', 'sweep.yaml']), 5);
    const [cause] = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    const counts = { count: 10, of: 10, others: 0, ofOthers: 40 };
    const text = 'all 10 have seed=2; of 40 others none do';
    expect(cause.facets).to.deep.equal([{ kind: 'param', name: 'seed', value: '2', ...counts, text }]);
    expect((await here.run(['failures', 'last'])).stdout).to.include(`\n\n${cause.cause}: ${text}\n`);
    expect((await here.run(['failures', 'last', '--cause', cause.cause])).stdout).to.match(
      /^ *common +all 10 have seed=2; of 40 others none do$/m,
    );
  });

  it('name the column of a table', async () => {
    const rows = Array.from({ length: 40 }, (_, n) => `0.${n},${n % 4}`);
    here.write('params.csv', `lr,seed\n${rows.join('\n')}\n`);
    here.write('sweep.yaml', `name: sweep\ninput: { from: params.csv, split: { by: table } }\n${STEP}`);
    expectExit(await here.run(['run', 'sweep.yaml']), 5);
    expect(await facetTexts()).to.deep.equal(['all 10 have seed=2; of 30 others none do']);
  });

  it('name the directory or the file that failures read', async () => {
    for (const [directory, content] of [
      ['good', 'fine\n'],
      ['bad', 'broken\n'],
    ] as const) {
      mkdirSync(here.path(directory));
      for (let n = 0; n < 8; n += 1) here.write(`${directory}/${n}.txt`, content);
    }
    await runSplit(['good/*.txt', 'bad/*.txt'], { by: 'file' }, '! grep -q broken');
    expect(await facetTexts()).to.deep.equal(['all 8 read files in bad/; of 8 others none do']);

    for (const name of ['a', 'b', 'c']) {
      const line = name === 'b' ? 'broken\n' : 'fine\n';
      here.write(`${name}.txt`, line.repeat(8));
    }
    await runSplit(['a.txt', 'b.txt', 'c.txt'], { by: 'lines', every: 1 }, '! grep -q broken');
    expect(await facetTexts()).to.deep.equal(['all 8 read b.txt; of 16 others none do']);
  });

  it('are none where one machine ran everything, and failures have nothing in common', async () => {
    here.write('lines.txt', Array.from({ length: 30 }, (_, n) => `${n}\n`).join(''));
    await runSplit(['lines.txt'], { by: 'lines', every: 1 }, 'read n; test $((n % 7)) != 3');
    const causes = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    expect(causes.map(({ count }) => count)).to.deep.equal([4]);
    expect(causes[0].facets).to.deep.equal([]);
  });
});
