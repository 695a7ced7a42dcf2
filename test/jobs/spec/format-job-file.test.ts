// Protects: a job file that batchctl writes means the same job when it is read back.
import { expect } from 'chai';
import fc from 'fast-check';
import { formatJobFile, jobFileOf } from '../../../src/jobs/spec/format-job-file.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/).filter((text) => text !== 'last' && text !== 'input');
const param = fc.stringMatching(/^[a-z][a-z_]{0,5}$/).filter((text) => !['item', 'index', 'period'].includes(text));
const plain = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean());
const maps = fc.dictionary(param, plain, { maxKeys: 3 }).map((map) => ({ ...map }));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const seconds = fc.oneof(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom('90s', '10m', '1h30m', '2d'));
const bytes = fc.oneof(fc.integer({ min: 1, max: 1e12 }), fc.constantFrom('1MB', '4GiB', '1.5GB'));
const cut = fc.oneof(fc.record({ every: fc.integer({ min: 1, max: 1e9 }) }), fc.record({ size: bytes }));
const split = fc.oneof(
  cut.map((by) => ({ by: 'lines', ...by })),
  cut.map((by) => ({ by: 'jsonl', ...by })),
  cut.map((by) => ({ by: 'csv', header: true, delimiter: ';', ...by })),
  cut.map((by) => ({ by: 'csv', quote: '', ...by })),
  cut.map((by) => ({ by: 'records', length: 80, ...by })),
  fc.constant({ by: 'file' }),
);
const step = fc.record({
  name,
  run: fc.oneof(
    fc.constant('cat'),
    fc.array(
      fc.string().filter((text) => !text.includes('\0')),
      { minLength: 1, maxLength: 3 },
    ),
  ),
  attempts: optional(fc.integer({ min: 1, max: 1000 })),
  timeout: optional(seconds),
  stall: optional(seconds),
  needs: optional(
    fc.record({ slots: optional(fc.oneof(fc.constant('all'), fc.constant(2))), memory: optional(bytes) }),
  ),
  env: optional(maps),
  permanent: optional(fc.uniqueArray(fc.integer({ min: 1, max: 74 }), { maxLength: 3 })),
});
const jobFile = fc.record({
  name,
  params: optional(maps),
  input: optional(fc.record({ from: optional(fc.constantFrom('a.csv', ['a', 'store:b'])), split: optional(split) })),
  steps: fc.uniqueArray(step, { minLength: 1, maxLength: 3, selector: (one) => one.name }),
  tolerate: optional(fc.oneof(fc.nat(100), fc.constantFrom('0.1%', '33%', '7'))),
  halt: optional(fc.constantFrom('5%', '0.07%', '100%', 'never')),
  labels: optional(maps),
  maxTasks: optional(fc.integer({ min: 1, max: 100_000_000 })),
});

describe('a spec written as a job file', () => {
  it('reads back as the same spec, as YAML and as JSON', () => {
    fc.assert(
      fc.property(jobFile, (file) => {
        const spec = parseJobFile(JSON.stringify(file), { file: 'job.json' });
        expect(parseJobFile(formatJobFile(spec), { file: 'job.yaml' })).to.deep.equal(spec);
        expect(parseJobFile(JSON.stringify(jobFileOf(spec)), { file: 'job.json' })).to.deep.equal(spec);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps gathers, grids, ranges, deliveries and notifications', () => {
    const text = `
name: a
input: { split: { by: grid, axes: { x: [1, 2.50], y: [a] } } }
steps:
  - { name: s, run: x, output: files, explode: true }
  - { name: t, run: x, fallback: steady, secrets: { A: "env:B" } }
  - { name: u, run: x, gather: true, header: once, join: bytes, needs: { slots: all, disk: 1GB } }
onFailure: stop
expect: [u.n == 1]
deliver: { to: out, name: "{task}.csv" }
notify: [{ on: [late], to: "exec:./page.sh" }]
`;
    const spec = parseJobFile(text, { file: 'job.yaml' });
    expect(spec.input?.split).to.deep.equal({ by: 'grid', axes: { x: ['1', '2.50'], y: ['a'] } });
    expect(parseJobFile(formatJobFile(spec), { file: 'again.yaml' })).to.deep.equal(spec);
  });
});
