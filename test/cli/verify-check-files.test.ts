// Protects: verify --check finds a changed, dropped or invented file in the evidence of a job that explodes.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkFile } from '../../src/jobs/verify/check/check-file.ts';
import { openPlace } from '../jobs/published-job.ts';
import { runHere } from '../jobs/run-here.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { forSuite } from '../support/fixture.ts';
import { sealedEvidence } from './sealed-evidence.ts';

const YAML = `
name: boxes
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: open, run: "for i in 1 2 3; do echo $i > $BATCHCTL_OUTPUT_DIR/$i; done", output: files, explode: true }
  - { name: price, run: [cat] }
`;

describe('verify --check of a job that explodes', () => {
  const place = forSuite(openPlace);

  it('compares each file with a published output, and finds one that was dropped, moved or invented', async () => {
    const { record } = await submitJob(place, YAML, {});
    await work(place.platform);
    const { code, stderr } = await runHere(place.directory, ['verify', record.job, '-o', 'e.ndjson']);
    expect(code, stderr).to.equal(0);
    const path = join(place.directory, 'e.ndjson');
    expect((await checkFile(path)).mismatches).to.deep.equal([]);
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -2);
    const files = lines.filter((line) => line.includes('"line":"file"'));
    const from = files.map((line) => (JSON.parse(line) as { from: string }).from);
    expect(from).to.deep.equal([0, 0, 0, 1, 1, 1].map((task) => `open/${task}`));
    const codesWith = async (change: (line: string) => readonly string[]): Promise<readonly string[]> => {
      writeFileSync(path, sealedEvidence(lines.flatMap((line) => (line === files[2] ? change(line) : [line]))));
      return (await checkFile(path)).mismatches.map((finding) => finding.code);
    };
    expect(await codesWith((line) => [line])).to.deep.equal([]);
    expect(await codesWith(() => [])).to.include.members(['shard', 'files', 'stated']);
    expect(await codesWith((line) => [line, line])).to.include.members(['shard', 'files', 'stated']);
    expect(await codesWith((line) => [line.replace('open/0', 'open/9')])).to.include.members(['shard', 'files']);
    expect(await codesWith((line) => [line.replace('"size":2', '"size":3')])).to.include.members(['shard', 'stated']);
  });
});
