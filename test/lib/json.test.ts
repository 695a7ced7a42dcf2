// Protects: a stored document without a field, or with a value of the wrong type, is reported as corrupt with the field.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { parseStored, type Shape } from '../../src/lib/json.ts';

const SHAPE: Shape = {
  name: 'text',
  count: 'number',
  done: 'flag',
  tags: 'list',
  code: 'text|null',
  round: 'number?',
  spec: { by: 'text' },
  steps: [{ name: 'text' }],
};
const COMPLETE = {
  format: 1,
  name: 'a',
  count: 0,
  done: false,
  tags: [],
  code: null,
  round: 1,
  spec: { by: 'x' },
  steps: [{ name: 's' }, { name: 't' }],
};

/** Throws for a document that doesn't match the shape. */
const parse = (document: object) =>
  parseStored('jobs/j/job.json', new TextEncoder().encode(JSON.stringify(document)), { shape: SHAPE });

describe('a stored document and its schema', () => {
  it("accepts a complete document, null and absent fields if allowed, and fields that the schema doesn't name", () => {
    const { round: _, ...without } = COMPLETE;
    for (const document of [COMPLETE, without]) parse(document);
    for (const changes of [{ round: null }, { more: 1 }, { steps: [] }]) parse({ ...COMPLETE, ...changes });
  });

  for (const [field, changed, expected] of [
    ['name', { name: 1 }, 'text, found 1'],
    ['name', { name: undefined }, 'text, found nothing'],
    ['name', { name: null }, 'text, found null'],
    ['count', { count: '0' }, 'number, found "0"'],
    ['done', { done: 0 }, 'flag, found 0'],
    ['tags', { tags: {} }, 'list, found {}'],
    ['code', { code: undefined }, 'text, found nothing'],
    ['round', { round: '1' }, 'number, found "1"'],
    ['spec', { spec: [] }, 'map, found []'],
    ['spec', { spec: null }, 'map, found null'],
    ['spec.by', { spec: {} }, 'text, found nothing'],
    ['steps', { steps: { name: 's' } }, 'list, found {"name":"s"}'],
    ['steps.1', { steps: [{ name: 's' }, 't'] }, 'map, found "t"'],
    ['steps.1.name', { steps: [{ name: 's' }, {}] }, 'text, found nothing'],
  ] as const)
    it(`refuses ${JSON.stringify(changed)} in ${field}`, () => {
      expect(() => parse({ ...COMPLETE, ...changed }))
        .to.throw(BatchctlError)
        .that.includes({ kind: 'corrupt', message: `jobs/j/job.json: expected ${field} to be a ${expected}` });
    });
});
