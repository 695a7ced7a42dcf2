// Protects: a delivery goes where the job file says, and one that could only fail after the work is refused before it.
import { expect } from 'chai';
import { deliverPlace, recordedPlace } from '../../../src/jobs/deliver/deliver-to.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { failsWith } from '../../support/rejection.ts';

const DIRECTORY = '/srv/jobs';
const JOB = 'claims-20261130-0600-abcde';

interface Case {
  readonly steps?: string;
  readonly params?: Readonly<Record<string, string>>;
}

const ONE = '{ name: price, run: [cat] }';
const FILES = '{ name: price, output: files, run: [cat] }';
const GATHERED = `${ONE}, { name: totals, gather: true, run: [cat] }`;
const AFTER_GATHER = `${GATHERED}, { name: report, run: [cat] }`;
const GATHER_FIRST = `${GATHERED.replace('gather: true', 'gather: true, output: files, explode: true')}, { name: summary, run: [cat] }`;

function placeOf(deliver: string, { steps = ONE, params = {} }: Case = {}): string | null {
  const text = `{ name: claims, input: { split: { by: file } }, steps: [${steps}], deliver: { ${deliver} } }`;
  return deliverPlace(parseJobFile(text, { file: 'job.yaml' }), DIRECTORY, params);
}

describe('the place of a delivery', () => {
  for (const [to, expected] of [
    ['out', '/srv/jobs/out'],
    ['./out/', '/srv/jobs/out'],
    ['../out', '/srv/out'],
    ['/mnt/out', '/mnt/out'],
    ['s3://acme', 's3://acme/'],
    ['s3://acme/out', 's3://acme/out/'],
    ['s3://acme/out/', 's3://acme/out/'],
    ['out/{period}/{region}', '/srv/jobs/out/2026-11/eu'],
    ['s3://acme/{region}/{job}', 's3://acme/eu/{job}/'],
  ] as const) {
    it(`${to} is ${expected}`, () => {
      expect(placeOf(`to: "${to}"`, { params: { period: '2026-11', region: 'eu' } })).to.equal(expected);
    });
  }

  it('has the job in each place that names it, and the machine of a directory', () => {
    expect(recordedPlace('/out/{job}/{job}', JOB, 'here')).to.deep.equal({ place: `/out/${JOB}/${JOB}`, host: 'here' });
    expect(recordedPlace('s3://acme/{job}/', JOB, 'here')).to.deep.equal({ place: `s3://acme/${JOB}/`, host: null });
    expect(recordedPlace(null, JOB, 'here')).to.equal(null);
  });

  for (const to of ['gs://acme/out', 'ftp://host/x', 'file:/tmp/x', 's3://Not_A_Bucket/x', '{perod}/x']) {
    it(`is refused if it is ${to}`, async () => {
      await failsWith('jobFile', (async () => placeOf(`to: "${to}"`))());
    });
  }
});

describe('the names in a delivery', () => {
  const named = (name: string, steps?: string): string | null =>
    placeOf(`to: out, name: "${name}"`, steps === undefined ? {} : { steps });

  for (const [name, steps] of [
    ['{task}', ONE],
    ['{index}.csv', ONE],
    ['{path}', ONE],
    ['{input}', ONE],
    ['{stem}.json', ONE],
    ['{task}/{name}', FILES],
    ['{name}', FILES],
    ['all.csv', GATHERED],
    ['{step}', GATHERED],
    ['all.csv', AFTER_GATHER],
    ['{task}', GATHER_FIRST],
  ] as const) {
    it(`may be ${name} for [${steps}]`, () => {
      expect(named(name, steps)).to.equal('/srv/jobs/out');
    });
  }

  for (const [name, steps, why] of [
    ['all.csv', ONE, 'gives all outputs of price the same name'],
    ['{step}.csv', ONE, 'gives all outputs of price the same name'],
    ['{job}', ONE, 'gives all outputs of price the same name'],
    ['{dir}/all.csv', ONE, 'gives all outputs of price the same name'],
    ['{name}', ONE, '{name} is for steps with output: files'],
    ['{taks}', ONE, '{taks} is unknown'],
    ['../{task}', ONE, 'deliver.name'],
    ['{input}', GATHERED, "{input} can't be used after a gather"],
  ] as const) {
    it(`are refused as ${name} for [${steps}]`, async () => {
      const error = await failsWith('jobFile', (async () => named(name, steps))());
      expect(error.message).to.include('deliver.name').and.include(why);
    });
  }

  it('may not be that of the manifest for the marker', async () => {
    const error = await failsWith('jobFile', (async () => placeOf('to: out, marker: _manifest.json'))());
    expect(error.message).to.include('deliver.marker: _manifest.json is reserved for batchctl');
  });
});
