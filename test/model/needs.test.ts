// Protects: a job says which version its workers need, by one table of rules, and nothing else raises its format.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { JobRecord } from '../../src/model/job.ts';
import type { EntryKind, StepChange } from '../../src/model/journal.ts';
import { entryNeeds, isOlder, jobNeeds, requireReleased } from '../../src/model/needs.ts';
import { viewOf } from './job-of.ts';

const LINES = '{ split: { by: lines, every: 1 } }';
const job = (step: string, input = LINES): string => `name: claims
input: ${input}
steps:
  - { name: one, run: [cat] }
  - { name: two, ${step} }
`;
const first = (step: string, input = LINES): string =>
  `name: claims\ninput: ${input}\nsteps: [{ name: one, ${step} }]\n`;
const needsOf = (yaml: string, assumed = false) => jobNeeds(parseJobFile(yaml, { file: 'job.yaml' }), assumed);

describe('what a job needs of its workers', () => {
  const RANGE = '{ split: { by: range, from: 1, to: 3 } }';
  const FILES = '{ split: { by: file } }';
  const LIST = '{ split: { by: list } }';
  const GRID = '{ split: { by: grid, axes: { lr: [1], seed: [2] } } }';
  const TABLE = '{ split: { by: table } }';
  const rows: readonly (readonly [what: string, yaml: string, because: string | null])[] = [
    ['map steps', job('run: [cat]'), null],
    ['a gather of text', job('gather: true, run: [cat]'), 'two joins outputs as lines'],
    ['a gather of text as a file', job('gather: true, input: file, run: [cat]'), 'two joins outputs as lines'],
    ['a gather of bytes', job('gather: true, run: [cat]', FILES), null],
    ['a gather of text joined as bytes', job('gather: true, join: bytes, run: [cat]'), null],
    [
      'a gather of bytes with one header',
      job('gather: true, header: once, run: [cat]', FILES),
      'two joins outputs as lines',
    ],
    [
      'a gather of bytes with one header, which are joined as bytes',
      job('gather: true, header: once, join: bytes, run: [cat]', FILES),
      'two joins outputs as lines',
    ],
    ['a gather of a directory', job('gather: true, input: dir, run: [cat]'), null],
    ['a gather of a list', job('gather: true, input: list, run: [cat]'), null],
    ['the path of an input', first('run: [cat, "{input}"]'), "one uses the names of a task's files"],
    ['a stem in a later step', job('run: [cat, "a{stem}.txt"]', FILES), "two uses the names of a task's files"],
    [
      'a stem in the text of a shell',
      first('run: "echo $BATCHCTL_INPUT_STEM"'),
      "one uses the names of a task's files",
    ],
    ['a name that the first version had', first('run: "echo $BATCHCTL_INPUT_NAME"'), null],
    ['the number of a range', first('run: [echo, "{index}"]', RANGE), null],
    [
      'the number of a range in a later step',
      job('run: [echo, "{index}"]', RANGE),
      "two uses the names of a task's files",
    ],
    ['a grid of numbers', first('run: [cat]', '{ split: { by: grid, axes: { lr: { from: 1, to: 3 } } } }'), null],
    ['the number of a line', first('run: [echo, "{index}"]'), "one uses the names of a task's files"],
    ['a parameter of that name', `params: { stem: a }\n${first('run: [echo, "{stem}"]')}`, null],
    ['the path of an output', first('run: [cat, "{output}"]'), "one uses the names of a task's files"],
    ['the number in the text of a shell', first('run: "echo $BATCHCTL_INDEX"'), "one uses the names of a task's files"],
    ['no output', first('run: [cat], output: none'), 'one has no output, or one with an extension'],
    [
      'an output with an extension',
      first('run: [cat], output: file, extension: .txt'),
      'one has no output, or one with an extension',
    ],
    [
      'files in packs',
      'name: claims\ninput: { from: a, split: { by: file, pack: 2 } }\nsteps: [{ name: one, run: [cat] }, { name: two, run: [cat] }]',
      'one takes several files as one task',
    ],
    ['a file as output', first('run: [cat], output: file'), null],
    ['an escaped word', first('run: [echo, "{{stem}"]'), null],
    ['the line of a list', first('run: [echo, "{item}"]', LIST), null],
    ['an axis', first('run: [echo, "{lr}"]', GRID), null],
    ['an axis in a later step that no command names', job('run: [cat]', GRID), null],
  ];
  for (const [what, yaml, because] of rows) {
    it(`is ${because === null ? 'any version' : 'a newer version'} for ${what}`, () => {
      const newer = { format: 2, version: '0.2.0', because: [because] };
      expect(needsOf(yaml)).to.deep.equal(because === null ? { format: 1, version: null, because: [] } : newer);
    });
  }

  for (const [what, yaml, because] of [
    [
      'the line of a list in a later step',
      job('run: [echo, "{item}"]', LIST),
      ['two uses parameters of the first step'],
    ],
    ['an axis in a later step', job('run: [echo, "{lr}"]', GRID), ['two uses parameters of the first step']],
    [
      "an axis in a later step's text",
      job('run: "echo $BATCHCTL_PARAM_SEED"', GRID),
      ['two uses parameters of the first step'],
    ],
    [
      'a grid of which some are left out',
      first('run: [cat]', '{ split: { by: grid, axes: { lr: [1, 2] }, exclude: [{ lr: 1 }] } }'),
      ['one takes its parameters from a grid with zip or exclude'],
    ],
    ['the URL of an input', first('input: url, run: [cat]', FILES), ['one opens its input where it is']],
    [
      'a table, in every step before the gather',
      `${job('run: [cat]', TABLE)}  - { name: all, gather: true, run: [cat] }\n`,
      ['one takes its parameters from a table', 'two takes its parameters from a table'],
    ],
  ] as const)
    it(`is a version that reads format 3 for ${what}`, () => {
      expect(needsOf(yaml)).to.deep.equal({ format: 3, version: '0.2.0', because });
    });

  it('is a newer version for assumed cuts, which concern the first step only', () => {
    const { format, because } = needsOf(job('run: [cat]'), true);
    expect({ format, because }).to.deep.equal({
      format: 2,
      because: ['one checks that a part of a large CSV holds whole records'],
    });
  });
});

describe('a changed job file', () => {
  const retry = (steps: Readonly<Record<string, StepChange>> | undefined): EntryKind => ({
    what: 'retry',
    round: 1,
    tasks: { price: '0' },
    canaries: null,
    overrides: { timeout: 5, ...(steps && { steps }) },
  });
  const formatOf = (kind: EntryKind, change: Partial<JobRecord> = {}): number =>
    entryNeeds({ ...viewOf([]).record, ...change }, kind).format;

  it('raises the format of its entry if it brings a rule that workers of the job may lack', () => {
    expect(formatOf(retry({ price: { run: ['cat', '{input}'] } }))).to.equal(2);
    expect(formatOf(retry({ totals: { join: 'lines' } }))).to.equal(2);
    expect(formatOf(retry({ price: { run: ['cat', '{input}'] } }), { format: 2 })).to.equal(1);
  });

  it('raises it for other control totals, by which older watchers would not judge', () => {
    const corrected = { ...retry({}), overrides: { steps: {}, expect: ['count.rows == 1'] } };
    expect(formatOf(corrected)).to.equal(2);
    expect(formatOf(corrected, { format: 2 })).to.equal(1);
    expect(formatOf(retry({}))).to.equal(1);
  });

  it('leaves it if it brings none, also where the job as accepted uses one', () => {
    expect(formatOf(retry({ price: { run: ['cat', '-u'] } }))).to.equal(1);
    expect(formatOf(retry(undefined))).to.equal(1);
    expect(formatOf({ what: 'adjust', maxRunning: 2 })).to.equal(1);
  });
});

describe('a job', () => {
  for (const version of ['0.1.0', '0.1.99', '0.0.3'])
    it(`of batchctl ${version}, before the first release, is refused by name`, () => {
      expect(() => requireReleased('job.json', version))
        .to.throw(BatchctlError, `job.json was written by batchctl ${version}`)
        .that.includes({ kind: 'newer', hint: 'use the version of batchctl that wrote it' });
    });

  for (const version of ['0.2.0', '0.2.0-rc.1', '0.2.1', '1.0.0'])
    it(`of batchctl ${version} is read`, () => {
      requireReleased('job.json', version);
    });
});

describe('versions', () => {
  for (const [a, b, older] of [
    ['0.1.0', '0.2.0', true],
    ['0.2.0', '0.2.0', false],
    ['0.10.0', '0.9.0', false],
    ['0.9.9', '1.0.0', true],
    ['1.0.0', '0.9.9', false],
    ['0.2.0-rc.1', '0.2.1', true],
    ['unknown', '0.2.0', false],
  ] as const) {
    it(`${a} is ${older ? '' : 'not '}older than ${b}`, () => {
      expect(isOlder(a, b)).to.equal(older);
    });
  }
});
