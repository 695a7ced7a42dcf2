// Protects: verify --check finds damage, edits and contradictions in an evidence file, on a machine without the store.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { checkFile } from '../../src/jobs/verify/check/check-file.ts';
import { proofChecksum, type StoredProof } from '../../src/jobs/verify/proof.ts';
import { provenJob } from '../jobs/proven-job.ts';
import { openPlace } from '../jobs/published-job.ts';
import { runHere } from '../jobs/run-here.ts';
import { forSuite } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';
import { runCli } from './fake-io.ts';
import { sealedEvidence } from './sealed-evidence.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('verify --check', () => {
  const place = forSuite(openPlace);
  let job: string;
  let whole: string;
  /** Lines without the seal. */
  let lines: readonly string[];
  /** A directory of a machine without a store or a configuration. */
  const auditor = forSuite(() => new Scratch());

  before(async () => {
    job = (await provenJob(place)).record.job;
    const { code, stderr } = await runOnHost('verify', job, '-o', 'evidence.ndjson');
    expect(code, stderr).to.equal(0);
    whole = readFileSync(join(place.directory, 'evidence.ndjson'), 'utf8');
    lines = whole.split('\n').slice(0, -2);
  });

  const runOnHost = (...argv: readonly string[]) => runHere(place.directory, argv);
  const runElsewhere = (...argv: readonly string[]) => {
    const env = { HOME: auditor.directory, BATCHCTL_CONFIG: auditor.path('none.json') };
    return runCli(argv, { cwd: auditor.directory, env });
  };

  const codesOf = async (text: string | Uint8Array): Promise<readonly string[]> => {
    const path = auditor.path('given.ndjson');
    writeFileSync(path, text);
    return (await checkFile(path)).mismatches.map(({ code }) => code);
  };
  /** The codes found after the first matching line was changed and the file was sealed again. */
  const forged = (matches: RegExp, change: (line: string) => readonly string[]): Promise<readonly string[]> => {
    const index = lines.findIndex((line) => matches.test(line));
    expect(index, `${matches}`).to.be.at.least(0);
    return codesOf(sealedEvidence(lines.flatMap((line, n) => (n === index ? change(line) : [line]))));
  };

  it('exits 0 for an intact file, on a machine that has neither the store nor a configuration', async () => {
    writeFileSync(auditor.path('evidence.ndjson'), whole);
    const { code, stdout, stderr } = await runElsewhere('verify', '--check', 'evidence.ndjson', '--tz', 'UTC');
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^evidence\.ndjson: is consistent, \d+ lines\nclaims-\S+: proven \(succeeded\)\n/);
    expect(stdout).to.include(
      'failed: price/2\nwithin the tolerance: 1 of at most 1, as the job file says, submitted by ',
    );
    expect(stdout).to.match(/skipped price\/4, by ann@desk \S+ \S+ UTC: a test claim\n/);
    expect(stdout).to.include('holds: price.amount * 2 == 8.8 (8.8, 8.8)');
    // A file has no outputs that could be read.
    expect(stdout).to.match(/, without reading their bytes\n|; without reading their bytes\n/);
  });

  it('returns the proof of the file as JSON, with the findings', async () => {
    writeFileSync(auditor.path('evidence.ndjson'), whole);
    const good = await runElsewhere('verify', '--check', 'evidence.ndjson', '--json');
    const answer = JSON.parse(good.stdout) as { check: object };
    expect(answer).to.include({ job, verdict: 'proven', proof: `jobs/${job}/proofs/0000.json` });
    expect(answer.check).to.deep.include({
      lines: lines.length + 1,
      mismatches: [],
      sha256: sha256(`${lines.join('\n')}\n`),
    });
    writeFileSync(auditor.path('half.ndjson'), whole.slice(0, whole.length / 2));
    const half = await runElsewhere('verify', '--check', 'half.ndjson', '--json');
    expect(half.code).to.equal(9);
    expect(JSON.parse(half.stdout)).to.deep.include({ job: null, verdict: 'failed', proof: null, steps: [] });
  });

  it('names the line at which a file was changed, and exits 9', async () => {
    writeFileSync(auditor.path('edited.ndjson'), whole.replace('"amount":"1.1"', '"amount":"1.2"'));
    const { code, stdout, stderr } = await runElsewhere('verify', '--check', 'edited.ndjson');
    expect(code).to.equal(9);
    expect(stdout).to.match(/^edited\.ndjson: is not consistent/);
    expect(stdout).to.match(/mismatch: lines \d+ to \d+, shard 0 of ends of price, do not match its digest/);
    expect(stderr).to.include('does not prove what it claims');
  });

  it('exits 4 for a missing file, and 2 for a directory or other options', async () => {
    expect((await runElsewhere('verify', '--check', 'nothing')).code).to.equal(4);
    expect((await runElsewhere('verify', '--check', '.')).code).to.equal(2);
    expect((await runElsewhere('verify', '--check', 'x', '--deep')).code).to.equal(2);
    expect(await codesOf('')).to.deep.equal(['seal', 'proof', 'line']);
  });

  it('refuses a pipe, a socket and a device at once, and names it: none has an end', async () => {
    execFileSync('mkfifo', [auditor.path('pipe')]);
    symlinkSync('/dev/zero', auditor.path('zero'));
    const cases = [
      ['pipe', 'a pipe: '],
      ['/dev/zero', 'a device: '],
      ['zero', 'a device: '],
    ] as const;
    for (const [path, found] of cases) {
      const { code, stderr } = await runElsewhere('verify', '--check', path);
      expect([code, stderr.includes(`expected a file of evidence, found ${found}`)], stderr).to.deep.equal([2, true]);
      expect(stderr).to.include(path).and.include('batchctl verify JOB -o FILE');
    }
  });

  it('recognises a completely forged file only by the store of the job', async () => {
    expect((await runOnHost('verify', job, '--check', 'evidence.ndjson')).code).to.equal(0);
    const line = JSON.parse(lines.at(-1) ?? '') as { readonly proof: StoredProof };
    const eve = { ...line.proof, who: 'eve@there' };
    const proof = { ...eve, checksum: proofChecksum(eve) };
    const checksum = `sha256:${sha256(JSON.stringify(proof))}`;
    const text = sealedEvidence([...lines.slice(0, -1), JSON.stringify({ ...line, checksum, proof })]);
    expect(await codesOf(text)).to.deep.equal([]);
    writeFileSync(join(place.directory, 'forged.ndjson'), text);
    const { code, stdout } = await runOnHost('verify', job, '--check', 'forged.ndjson');
    expect(code).to.equal(9);
    expect(stdout).to.include(`mismatch: the proof in the store at jobs/${job}/proofs/0000.json`);
  });

  it('finds any single changed byte', async () => {
    const bytes = Buffer.from(whole);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ mask;
        expect(await codesOf(changed), `byte ${at} ^ ${mask}`).not.to.deep.equal([]);
      }),
      { numRuns: 150 },
    );
  });

  it('finds a file that is cut off anywhere, or has extra lines', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        expect(await codesOf(whole.slice(0, length)), `${length}`).not.to.deep.equal([]);
      }),
      { numRuns: 40 },
    );
    expect(await codesOf(`${whole}{}`)).to.include('seal');
    expect(await codesOf(`${whole}\n`)).to.include('seal');
  });

  it('finds a line that was dropped, duplicated or moved, even if the file was sealed again', async () => {
    for (const [n, line] of lines.entries()) {
      const rest = lines.filter((_, index) => index !== n);
      expect(await codesOf(sealedEvidence(rest)), `without ${line}`).not.to.deep.equal([]);
      const twice = sealedEvidence([...lines.slice(0, n), line, ...lines.slice(n)]);
      expect(await codesOf(twice), `twice ${line}`).not.to.deep.equal([]);
      expect(await codesOf(sealedEvidence([...rest, line])), `last ${line}`).satisfies(
        (codes: readonly string[]) => codes.length > 0 || n === lines.length - 1,
      );
    }
  });

  it('is not kept busy by a file that claims an impossible number of parts', async () => {
    const claim = (line: string) => [line.replace(/"parts":6\b/, '"parts":9000000000000000')];
    expect(await forged(/"line":"evidence"/, claim)).to.include('line');
  });

  it('finds what was changed and sealed again: inputs, decisions, parts, ends, the record, the proof', async () => {
    const swap = (from: string | RegExp, to: string) => (line: string) => [line.replace(from, to)];
    const tolerance = (count: number): string => `"tolerate":{"kind":"count","count":${count}}`;
    const checksum = swap(/"checksum":"sha256:[0-9a-f]{4}/, '"checksum":"sha256:0000');
    for (const [matches, change, ...codes] of [
      [/"line":"evidence"/, swap(tolerance(1), tolerance(9)), 'stated'],
      [/"line":"input"/, swap('"size":12', '"size":14'), 'shard', 'byteGap'],
      [/"what\\":\\"skip/, swap('a test claim', 'no such claim'), 'decisions', 'shard', 'stated'],
      [/"line":"part"/, swap('"length":2', '"length":3'), 'shard', 'byteTwice'],
      [/"end":"failed"/, swap('"round":0', '"round":1'), 'end'],
      [/"end":"published"/, swap('"amount":"1.1"', '"amount":"2.1"'), 'shard', 'expect', 'stated'],
      [/"end":"published"/, checksum, 'shard'],
      [/"end":"skipped"/, () => [], 'ends', 'stated'],
      [/"line":"opened"/, swap('"leftOut":"2,4"', '"leftOut":"4"'), 'opened'],
      [/"line":"proof"/, swap('"verdict":"proven"', '"verdict":"failed"'), 'notProven'],
      [/"line":"proof"/, swap('"published":4', '"published":5'), 'proof', 'stated'],
    ] as const)
      expect(await forged(matches, change), `${matches}`).to.include.members(codes);
    const otherAuthor = swap(/"who":"[^"]*@[^"]*","version"/, '"who":"eve@there","version"');
    expect(await forged(/"line":"proof"/, otherAuthor)).to.deep.equal(['proof', 'proof']);
  });
});
