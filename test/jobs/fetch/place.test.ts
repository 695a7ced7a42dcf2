// Protects: a manifest that batchctl did not write, or that leads out of its place, is never acted on.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import {
  claimName,
  generationOf,
  manifestBytes,
  type PlaceManifest,
  parseManifest,
  SupersededError,
} from '../../../src/jobs/fetch/place.ts';

const FILE = { name: 'a.csv', task: 0, size: 1, checksum: 'sha256:0' };
const MANIFEST: PlaceManifest = {
  format: 1,
  job: 'claims-20261130-0600-abcde',
  name: 'claims',
  step: 'price',
  round: 0,
  close: 3,
  generation: 2,
  id: 'a',
  marker: '_DONE',
  createdAt: '2026-11-30T06:00:00.000Z',
  outputs: 2,
  bytes: 2,
  files: [FILE, { ...FILE, name: 'b.csv', task: 1 }],
};
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('the manifest of a place', () => {
  it('is read as it was written', () => {
    expect(parseManifest('results', manifestBytes(MANIFEST))).to.deep.equal(MANIFEST);
    expect(parseManifest('results', manifestBytes({ ...MANIFEST, files: [] }))).to.include({ outputs: 2 });
  });

  const rows: readonly (readonly [string, Uint8Array])[] = [
    ['is not JSON', Buffer.from('job,files\n')],
    ['is empty', new Uint8Array()],
    ['is a list', bytesOf([1, 2])],
    ['names no job', bytesOf({ ...MANIFEST, job: undefined })],
    ['names a number as its job', bytesOf({ ...MANIFEST, job: 7 })],
    ...['close', 'generation', 'id', 'marker'].map((field): readonly [string, Uint8Array] => [
      `has no ${field}, as before 0.2.0`,
      bytesOf({ ...MANIFEST, [field]: undefined }),
    ]),
    ['lists no files', bytesOf({ ...MANIFEST, files: undefined })],
    ['counts its files', bytesOf({ ...MANIFEST, files: 2 })],
    ...['../own.txt', '/etc/passwd', 'a/../../x', '', '.', 7, null].flatMap((name) =>
      [
        [FILE, { ...FILE, name }],
        [{ ...FILE, name }, FILE],
      ].map((files): readonly [string, Uint8Array] => [
        `names ${JSON.stringify(name)} ${files[0] === FILE ? 'last' : 'first'}`,
        bytesOf({ ...MANIFEST, files }),
      ]),
    ),
  ];
  for (const [what, bytes] of rows) {
    it(`is refused if it ${what}`, () => {
      expect(() => parseManifest('results', bytes))
        .to.throw(BatchctlError, 'results has a _manifest.json that batchctl did not write')
        .that.includes({ kind: 'refused' });
    });
  }
});

describe('a generation', () => {
  it('is read from the folder of a claim, open or shut out, and from no other name', () => {
    for (const generation of [1, 99, 100, 123_456_789]) {
      expect(generationOf(claimName(generation))).to.equal(generation);
      expect(generationOf(`${claimName(generation)}.shut-abcdefgh`)).to.equal(generation);
    }
    for (const name of ['new-abc', 'gone-abc', '1', '00000001', '0000000010', '000000001x', 'x000000001', ''])
      expect(generationOf(name), name).to.equal(null);
  });

  it('that another delivery took says whose it is, and what to do', () => {
    const by = new SupersededError('results', { ...MANIFEST, round: 1 });
    expect(by).to.include({ kind: 'refused', hint: `batchctl status ${MANIFEST.job}` });
    expect(by.message).to.include(`job ${MANIFEST.job} (round 1) is delivered there`);
    expect(new SupersededError('results', null)).to.include({ hint: 'run the same command again' });
  });
});
