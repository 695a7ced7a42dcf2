// Protects: a changed job file changes only what may change, and is refused by field if it would be another job.
import { expect } from 'chai';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { jobFileSchema } from '../../src/jobs/spec/schema.ts';
import { describedFields } from '../../src/lib/described-fields.ts';
import { CORRECTABLE_STEP_FIELDS, type JobRecord } from '../../src/model/job.ts';
import type { Overrides } from '../../src/model/journal.ts';
import { diffJobFile } from '../../src/model/overrides.ts';
import { viewOf } from './job-of.ts';

const FILE = `
name: claims
params: { region: EU, day: "1" }
input: { from: a.csv, split: { by: csv, size: 32MB } }
tolerate: 1
labels: { team: finance }
steps:
  - { name: price, run: [cat], timeout: 10m }
  - { name: totals, gather: true, run: [cat] }
`;
const ACCEPTED: JobRecord = viewOf([], FILE).record;

const diff = (file: string, before: Overrides = {}, record: JobRecord = ACCEPTED) =>
  diffJobFile(record, before, parseJobFile(file, { file: 'job.yaml' }));

describe('a changed job file', () => {
  it('can change commands, timeouts, attempts and needs of a step', () => {
    const { overrides, refused } = diff(
      FILE.replace('run: [cat], timeout: 10m', 'run: [cat, -n], timeout: 20m, attempts: 5, needs: { memory: 2GB }'),
    );
    expect(refused).to.deep.equal([]);
    expect(overrides).to.deep.include({
      timeout: null,
      steps: {
        price: { run: ['cat', '-n'], timeout: 1_200, attempts: 5, needs: { slots: 1, memory: 2 * 10 ** 9, disk: 0 } },
      },
    });
  });

  it('can set how a gather joins, and remove that again', () => {
    const joining = FILE.replace('gather: true,', 'gather: true, join: bytes,');
    expect(diff(joining).overrides.steps).to.deep.equal({ totals: { join: 'bytes' } });
    const { record } = viewOf([], joining);
    expect(diff(FILE, {}, record).overrides.steps).to.deep.equal({ totals: { join: null } });
  });

  it('changes nothing if its content is the same', () => {
    expect(diff(FILE)).to.deep.equal({
      overrides: { timeout: null, steps: {}, defaults: {}, params: {} },
      refused: [],
    });
  });

  it('gives the control totals that it corrects', () => {
    const { overrides, refused } = diff(`${FILE}expect: [price.records == input.records]\n`);
    expect(refused).to.deep.equal([]);
    expect(overrides.expect).to.deep.equal(['price.records == input.records']);
  });

  const REFUSED: Readonly<Record<string, (file: string) => string>> = {
    name: (file) => file.replace('name: claims', 'name: other'),
    'input.from': (file) => file.replace('a.csv', 'b.csv'),
    'input.split': (file) => file.replace('32MB', '16MB'),
    tolerate: (file) => file.replace('tolerate: 1', 'tolerate: 2'),
    'labels.team': (file) => file.replace('finance', 'sales'),
    'params.day': (file) => file.replace(', day: "1"', ''),
    steps: (file) => file.replace('name: price', 'name: prices'),
    'steps.price.output': (file) => file.replace('run: [cat], timeout', 'run: [cat], output: files, timeout'),
    'steps.price.group': (file) => file.replace('run: [cat], timeout', 'run: [cat], group: gpu, timeout'),
    onFailure: (file) => `${file}onFailure: stop\n`,
    halt: (file) => `${file}halt: 5%\n`,
    maxRunning: (file) => `${file}maxRunning: 2\n`,
  };
  for (const [field, change] of Object.entries(REFUSED)) {
    it(`is refused if it changes ${field}, naming the field`, () => {
      const { refused } = diff(change(FILE));
      expect(refused.map((difference) => difference.field)).to.deep.equal([field]);
    });
  }

  const STEP_FIELDS = describedFields(jobFileSchema).flatMap(({ path }) => /^steps\[\]\.(\w+)$/.exec(path)?.[1] ?? []);
  for (const field of STEP_FIELDS) {
    it(`is applied or refused if it changes ${field} of a step, never ignored`, () => {
      const [price, ...rest] = ACCEPTED.spec.steps;
      if (price === undefined) throw new Error('expected a step');
      const record: JobRecord = {
        ...ACCEPTED,
        spec: { ...ACCEPTED.spec, steps: [{ ...price, [field]: 'other' }, ...rest] },
      };
      const { overrides, refused } = diff(FILE, {}, record);
      const found = [...Object.keys(overrides.steps?.price ?? {}), ...refused.map((change) => change.field)];
      expect(found).to.have.length(1);
      expect(found[0]).to.match(new RegExp(`^(steps.price.)?${field}$|^steps$`));
      expect(refused).to.have.length(CORRECTABLE_STEP_FIELDS.some((one) => one === field) ? 0 : 1);
    });
  }

  it('is not compared in fields that flags set at submission', () => {
    const record = { ...ACCEPTED, given: { input: true, params: ['region'], labels: ['team'] } };
    const { refused, overrides } = diff(
      FILE.replace('a.csv', 'b.csv').replace('EU', 'FR').replace('finance', 'sales'),
      {},
      record,
    );
    expect(refused).to.deep.equal([]);
    expect(overrides.defaults).to.deep.equal({});
  });

  it('adds new defaults and parameters, and keeps earlier --set values of unchanged ones', () => {
    const before = { params: { region: 'US', day: '7' } };
    const { overrides } = diff(FILE.replace('day: "1"', 'day: "2", extra: x'), before);
    expect(overrides).to.deep.include({ defaults: { day: '2', extra: 'x' }, params: { region: 'US' } });
  });

  it('reverts a change made by an earlier file', () => {
    const before = { steps: { price: { timeout: 60 } }, defaults: { day: '2' }, timeout: 5 };
    expect(diff(FILE, before).overrides).to.deep.equal({ timeout: null, steps: {}, defaults: {}, params: {} });
  });

  it('keeps --timeout of an earlier round, unless it changes a timeout', () => {
    expect(diff(FILE, { timeout: 5 }).overrides.timeout).to.equal(5);
    expect(diff(FILE.replace('10m', '11m'), { timeout: 5 }).overrides.timeout).to.equal(null);
  });
});
