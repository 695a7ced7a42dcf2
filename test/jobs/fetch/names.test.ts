// Protects: fetched files are named by what they came from, whatever the job's split and steps are.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { checkDistinct, chooseStep, fileNamer, publishedTasks } from '../../../src/jobs/fetch/names.ts';
import type { JobView } from '../../../src/model/view.ts';
import { viewOf } from '../../model/job-of.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith } from '../../support/rejection.ts';

const yaml = (split: string, ...steps: readonly string[]): string =>
  `name: claims\ninput: { ${split} }\nsteps:\n${steps.map((step) => `  - { run: [cat], ${step} }\n`).join('')}`;
const FILES = 'from: a.csv, split: { by: file }';
const RANGE = 'split: { by: range, from: 5, to: 8 }';

describe('the names of fetched files', () => {
  const patternOf = (view: JobView, given?: string) => {
    const { pattern, distinct } = fileNamer(new MemoryStore(), view, chooseStep(view, undefined), given);
    return [pattern, distinct];
  };

  it('are those of the inputs only in the steps of the chains that begin with them', () => {
    expect(patternOf(viewOf([], yaml(FILES, 'name: one')))).to.deep.equal(['{path}', false]);
    expect(patternOf(viewOf([], yaml(RANGE, 'name: one')))).to.deep.equal(['{task}', true]);
    expect(patternOf(viewOf([], yaml(FILES, 'name: one', 'name: two, gather: true')))).to.deep.equal(['{step}', true]);
    const exploded = viewOf([], yaml(FILES, 'name: one, output: files, explode: true', 'name: two'));
    expect(patternOf(exploded)[0]).to.equal('{task}');
  });

  it("end with each file's own name, unless the pattern has it", () => {
    const many = viewOf([], yaml(RANGE, 'name: one, output: files'));
    expect(patternOf(many, 'x')[0]).to.equal('x/{name}');
    expect(patternOf(many, '{name}.txt')[0]).to.equal('{name}.txt');
  });

  it('are known to differ if they have the number of the task, or there is only one', () => {
    const view = viewOf([], yaml(FILES, 'name: one'));
    expect(patternOf(view, '{index}.txt')[1]).to.equal(true);
    expect(patternOf(view, '{stem}.txt')[1]).to.equal(false);
    const two = { ...view, record: { ...view.record, parts: 2 } };
    expect(patternOf(two, '{stem}.txt')[1]).to.equal(false);
  });

  it('can not be those of inputs behind a gather', () => {
    const view = viewOf([], yaml(FILES, 'name: one', 'name: two, gather: true'));
    for (const pattern of ['{path}', '{dir}/x', '{input}', '{stem}.txt'])
      expect(() => patternOf(view, pattern), pattern).to.throw(BatchctlError, "can't be used after a gather");
  });

  it('are refused if two are equal, also those of files below equal paths', async () => {
    const equal = async () => 'x/_';
    for (const pattern of ['{stem}.txt', '{path}/{name}'])
      await failsWith('usage', checkDistinct(pattern, equal, [0, 1]));
    for (const pattern of ['{task}', '{index}/{name}', '{name}']) await checkDistinct(pattern, equal, [0, 1]);
  });

  it('are none of a step that is not open yet', async () => {
    const view = viewOf([], yaml(RANGE, 'name: one, output: files, explode: true', 'name: two'));
    const chosen = chooseStep(view, undefined);
    expect(chosen).to.include({ index: 1, total: 0 });
    const error = await failsWith('notFound', publishedTasks(new MemoryStore(), view, chosen));
    expect(error.message).to.include('step two has no output yet');
  });

  it("have a range's own number as index", async () => {
    const view = viewOf([], yaml(RANGE, 'name: one'));
    const { nameOf } = fileNamer(new MemoryStore(), view, chooseStep(view, undefined), '{index}-{task}');
    expect(await nameOf(2, '')).to.equal('7-000000002');
  });
});
