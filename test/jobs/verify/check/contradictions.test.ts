// Protects: an evidence file that contradicts itself is refused, by each rule of RULES, even if all its digests were computed again.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { readCorrectedFile } from '../../../../src/jobs/change/corrected-file.ts';
import { retry } from '../../../../src/jobs/change/retry.ts';
import { requireView } from '../../../../src/jobs/journal.ts';
import { parseJobFile } from '../../../../src/jobs/spec/job-file.ts';
import { checkFile } from '../../../../src/jobs/verify/check/check-file.ts';
import { CLOCK_RULES, RULES } from '../../../../src/jobs/verify/check/rules.ts';
import { bytesChecksum } from '../../../../src/lib/file-checksum.ts';
import type { JobView } from '../../../../src/model/view.ts';
import { sealedEvidence } from '../../../cli/sealed-evidence.ts';
import { forSuite } from '../../../support/fixture.ts';
import { failsWith } from '../../../support/rejection.ts';
import { provenJob } from '../../proven-job.ts';
import { openPlace } from '../../published-job.ts';
import { runHere } from '../../run-here.ts';
import { runJob, submitJob, work } from '../../submitted-job.ts';
import { ACCEPTED } from './accepted-contradictions.ts';
import { entry, insertEnd, type Job, one, PRICE0, publishAgain } from './edits.ts';
import { ENDED } from './ended-contradictions.ts';
import { forgedEvidence, type Line, linesOf } from './forged-evidence.ts';

const BOXES = `
name: boxes
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: open, run: "for i in 1 2; do echo $i$i > $BATCHCTL_OUTPUT_DIR/$i; done", output: files, explode: true }
  - { name: price, run: [cat] }
`;
const FIXED = `
name: fixed
files: [price.sh]
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, attempts: 1, run: [sh, price.sh] }
`;
const PACKED = `
name: packed
input: { from: a.csv.gz, split: { by: csv, every: 2, header: true } }
steps: [{ name: price, run: [cat] }]
`;
const WIDE = `
name: wide
input: { from: "*.csv", split: { by: csv, size: 12, header: true } }
steps: [{ name: price, run: [cat] }]
`;
const RECORDS = `
name: records
input: { from: a.bin, split: { by: records, length: 4, every: 2 } }
steps: [{ name: price, run: [cat] }]
`;
const GRID = `
name: grid
input: { split: { by: grid, axes: { a: [x, y], b: [z] } } }
steps: [{ name: price, run: [cat] }]
`;

const ROWS = [...ACCEPTED, ...ENDED];

describe('verify --check of evidence that contradicts itself', () => {
  const place = forSuite(openPlace);
  const files = new Map<Job, string>();

  before(async () => {
    await keep('claims', await provenJob(place));
    await keep('boxes', await runJob(place, BOXES));
    await keep('packed', await runJob(place, PACKED, { 'a.csv.gz': gzipSync('id\n1\n2\n3\n') }));
    await keep(
      'wide',
      await runJob(place, WIDE, { 'a.csv': 'id,n\n1,one\n2,two\n3,three\n', 'b.csv': 'id,n\n4,four\n5,five\n' }),
    );
    await keep('records', await runJob(place, RECORDS, { 'a.bin': 'abcd'.repeat(5) }));
    await keep('grid', await runJob(place, GRID));
    await keep('fixed', await fixedJob());
  });

  /** A job whose program was fixed for two of its tasks. */
  async function fixedJob(): Promise<JobView> {
    const { platform, directory } = place;
    writeFileSync(join(directory, 'price.sh'), 'read n; test $n = 1 && echo $n\n');
    const { record } = await submitJob(place, FIXED, {});
    await work(platform);
    writeFileSync(join(directory, 'price.sh'), 'cat\n');
    const correction = await readCorrectedFile(parseJobFile(FIXED, { file: 'job.yaml' }), directory);
    await retry(platform, await requireView(platform.store, record.job), { correction });
    await work(platform);
    return requireView(platform.store, record.job);
  }

  async function keep(job: Job, { record }: JobView): Promise<void> {
    const { code, stderr } = await runHere(place.directory, ['verify', record.job, '--deep', '-o', `${job}.ndjson`]);
    expect(code, stderr).to.equal(0);
    files.set(job, readFileSync(join(place.directory, `${job}.ndjson`), 'utf8'));
  }

  async function codesOf(text: string): Promise<readonly string[]> {
    const path = join(place.directory, 'forged.ndjson');
    writeFileSync(path, text);
    const codes = (await checkFile(path)).mismatches.map(({ code }) => code);
    expect(Object.keys(RULES), 'each finding is of a rule of the page').to.include.members(codes);
    return codes;
  }

  const linesOfJob = (job: Job): Line[] => linesOf(files.get(job) ?? '').map((line) => structuredClone(line));

  it('accepts the same files with every digest computed again', async () => {
    for (const [job, text] of files) {
      expect(await codesOf(text), job).to.deep.equal([]);
      expect(forgedEvidence(linesOfJob(job)), job).to.equal(text);
    }
  });

  it('accepts a deadline, an entry of a clock that was behind by less than a day, and a sample of more parts', async () => {
    const lines = linesOfJob('claims');
    const { record } = one(lines, 'evidence');
    Object.assign(record, { notBefore: record.createdAt, finishBy: record.createdAt });
    const earlier = new Date(Date.parse(record.createdAt) - 23 * 3_600_000).toISOString();
    entry('sent', (of) => (of.when = earlier))(lines);
    expect(await codesOf(forgedEvidence(lines))).to.deep.equal([]);
    expect((await checkFile(join(place.directory, 'forged.ndjson'))).warnings).to.deep.equal([]);
    record.rehearsal = { of: { parts: record.parts } };
    const result = (of: Line) => (of.rehearsal = { parts: record.parts, of: record.parts });
    expect(await codesOf(forgedEvidence(lines, { result }))).to.deep.equal([]);
  });

  it('accepts an output of an earlier round: an attempt that published after its task was asked for again', async () => {
    const lines = linesOfJob('fixed');
    Object.assign(one(lines, 'end', { n: 1 }), { round: 0, code: one(lines, 'end', { n: 0 }).code });
    expect(await codesOf(forgedEvidence(lines))).to.deep.equal([]);
  });

  it('accepts an output that came too late for its gather, which no total includes', async () => {
    const lines = linesOfJob('claims');
    const end = one(lines, 'end', { end: 'failed' });
    publishAgain(lines, end, one(lines, 'end', PRICE0));
    end.counters = {};
    const like = structuredClone(one(lines, 'end', { step: 'convert' }));
    insertEnd(lines, { ...like, n: 2, attempt: 'late', late: true, counters: { rows: '1' } });
    const result = (of: Line): void => {
      of.checked.outputs += 2;
      for (const step of of.steps.slice(0, 2)) step.published += 1;
      of.steps[0].failed = 0;
      Object.assign(of.chains, { failed: 0, tolerated: 0 });
      Object.assign(of, { failed: [], late: ['convert/2'] });
    };
    await codesOf(forgedEvidence(lines, { result }));
    expect((await checkFile(join(place.directory, 'forged.ndjson'))).mismatches).to.deep.equal([]);
  });

  const [clocks, refused] = [true, false].map((isClock) =>
    ROWS.filter(([rule]) => CLOCK_RULES.includes(rule) === isClock),
  );
  for (const [rule, job, what, change, options] of clocks ?? [])
    it(`only warns of a clock that was wrong, by ${rule}: ${what} (${job})`, async () => {
      const lines = linesOfJob(job);
      change(lines);
      expect(await codesOf(forgedEvidence(lines, options))).to.deep.equal([]);
      const { warnings } = await checkFile(join(place.directory, 'forged.ndjson'));
      expect(warnings.map(({ code }) => code)).to.deep.equal([rule]);
    });

  for (const [rule, job, what, change, options] of refused ?? [])
    it(`refuses it by ${rule}: ${what} (${job})`, async () => {
      const lines = linesOfJob(job);
      change(lines);
      expect(await codesOf(forgedEvidence(lines, options))).to.include(rule);
    });

  it('refuses lines in another order, other fields, and digests of other lines', async () => {
    const lines = (files.get('claims') ?? '').trimEnd().split('\n').slice(0, -1);
    const [first = '', second = '', ...rest] = lines;
    expect(await codesOf(sealedEvidence([second, first, ...rest]))).to.include('order');
    expect(await codesOf(sealedEvidence([first, second.replace('"n":0', '"n":"0"'), ...rest]))).to.include('line');
    const shard = rest.findIndex((line) => line.includes('"line":"shard"'));
    const changed = rest.map((line, at) => (at === shard ? line.replace(/"sha256":"..../, '"sha256":"0000') : line));
    expect(await codesOf(sealedEvidence([first, second, ...changed]))).to.include('shard');
    expect(await codesOf([first, second, ...rest, ''].join('\n'))).to.include('seal');
    const decision = rest.findIndex((line) => line.includes('"line":"decision"'));
    const other = rest.map((line, at) =>
      at === decision ? line.replace(/"checksum":"sha256:..../, '"checksum":"sha256:0000') : line,
    );
    expect(await codesOf(sealedEvidence([first, second, ...other]))).to.include('decisions');
    const all = [first, second, ...rest];
    const moved = (from: RegExp, to: RegExp): string[] => {
      const line = all.find((each) => from.test(each)) ?? '';
      const others = all.filter((each) => each !== line);
      others.splice(others.findIndex((each) => to.test(each)) + 1, 0, line);
      return others;
    };
    const input = moved(/"line":"input"/, /"line":"part"/);
    expect(await codesOf(sealedEvidence(input)), 'an input after a part').to.include('order');
    const end = moved(/"line":"end","step":"price"/, /"line":"end","step":"totals"/);
    expect(await codesOf(sealedEvidence(end)), 'an end of a step after those of the next').to.include('order');
    expect(await codesOf(sealedEvidence([first, first, second, ...rest])), 'a second first line').to.include('order');
  });

  it('refuses a seal of another number of lines, and one that says more', async () => {
    const text = files.get('claims') ?? '';
    const sealedAs = (change: (seal: Line) => Line): string => {
      const lines = text.trimEnd().split('\n');
      return `${[...lines.slice(0, -1), JSON.stringify(change(JSON.parse(lines.at(-1) ?? '') as Line))].join('\n')}\n`;
    };
    expect(await codesOf(sealedAs((seal) => seal))).to.deep.equal([]);
    for (const by of [-1, 1])
      expect(await codesOf(sealedAs((seal) => ({ ...seal, lines: seal.lines + by })))).to.deep.equal(['seal']);
    expect(await codesOf(sealedAs((seal) => ({ ...seal, by: 'eve' })))).to.deep.equal(['seal']);
    expect(await codesOf(text.trimEnd())).to.deep.equal(['seal']);
    expect(await codesOf(''), 'an empty file').to.include('seal');
    expect(await codesOf(sealedEvidence([])), 'only a seal').to.deep.equal(['proof', 'line']);
  });

  it('refuses a proof that is not the one that its line names, and lines after it', async () => {
    const lines = (files.get('claims') ?? '').trimEnd().split('\n').slice(0, -1);
    const [body, last = ''] = [lines.slice(0, -1), lines.at(-1)];
    const line = JSON.parse(last) as Line;
    const other = { ...line, checksum: `sha256:${'0'.repeat(64)}` };
    expect(await codesOf(sealedEvidence([...body, JSON.stringify(other)]))).to.deep.equal(['proof']);
    const proof = { ...line.proof, who: 'eve@there' };
    const renamed = { ...line, proof, checksum: bytesChecksum(Buffer.from(JSON.stringify(proof))) };
    expect(await codesOf(sealedEvidence([...body, JSON.stringify(renamed)]))).to.deep.equal(['proof']);
    for (const after of [lines[1] ?? '', last])
      expect(await codesOf(sealedEvidence([...lines, after]))).to.deep.equal(['order']);
    expect(await codesOf(sealedEvidence(body))).to.include('proof');
  });

  it('says of a later version only if nothing else is wrong: else a byte was changed', async () => {
    const lines = (files.get('claims') ?? '').trimEnd().split('\n').slice(0, -1);
    const later = lines.map((line, at) => (at === 0 ? line.replace('"format":1', '"format":9') : line));
    const text = sealedEvidence(later);
    expect(text).not.to.equal(sealedEvidence(lines));
    const error = await failsWith('newer', codesOf(text));
    expect(error.message).to.include('this file');
    expect(await codesOf(text.replace('"sha256":"', '"sha256":"0'))).to.deep.equal(['seal']);
    // Only the first line says which version wrote the file.
    const second = lines.map((line, at) =>
      at === 1 ? line.replace('{', '{"format":9,').replace('"n":0', '"n":"0"') : line,
    );
    expect(await codesOf(sealedEvidence(second))).to.include('line');
  });

  it('reports a line that no check can read, and reads lines that are longer than what is read at once', async () => {
    const text = forgedEvidence(edited((of) => (of.host = 'h'.repeat(3_000_000))));
    expect(text.length).to.be.above(3_000_000);
    expect(await codesOf(text)).to.deep.equal([]);
    expect(await codesOf(forgedEvidence(edited((of) => (of.spec.expect = ['((']))))).to.deep.equal(['proof']);
  });

  const edited = (change: (record: Line) => void): readonly Line[] => {
    const lines = linesOfJob('claims');
    change(one(lines, 'evidence').record);
    return lines;
  };

  it('has a row for each rule, and the page has the same rules, in the same words', () => {
    const tested = new Set<string>([...ROWS.map(([rule]) => rule), 'order', 'line', 'shard', 'seal']);
    expect([...tested].sort()).to.deep.equal(Object.keys(RULES).sort());
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/proof.md'), 'utf8');
    const [, table = ''] = page.split('\n| rule | what the file states | what it contradicts |\n|---|---|---|\n');
    const [rows = ''] = table.split('\n\n');
    const declared = Object.entries(RULES).map(([rule, [what, against]]) => `| \`${rule}\` | ${what} | ${against} |`);
    expect(rows.split('\n')).to.deep.equal(declared);
  });
});
