// Protects: the spam example produces the same features in every mode, those that another program found in the whole corpus.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { globSync } from 'tinyglobby';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { lacking } from '../support/run/lacking.ts';
import { runByHand } from './run-by-hand.ts';

const FOLDER = fileURLToPath(new URL('../../examples/spam', import.meta.url));
const JOB = join(FOLDER, 'job.yaml');

async function corpus(): Promise<readonly string[]> {
  const spec = await loadJobFile(JOB);
  const from = spec.input?.from ?? [];
  return globSync([...from], { cwd: FOLDER, absolute: true }).sort();
}

const countsOf = (rows: string): string =>
  rows
    .split('\n')
    .slice(1)
    .map((row) => row.split(',').slice(2).join(','))
    .join('\n');

describe('the spam example on its 6,046 mails', () => {
  before(() => {
    if (!existsSync(join(FOLDER, 'node_modules')))
      throw lacking('the mails are not installed (npm ci --prefix examples/spam)');
  });

  it('makes a list of exactly the files that its glob matches', async () => {
    const { stdout } = spawnSync(join(FOLDER, 'make-list.sh'), { encoding: 'utf8' });
    const listed = stdout.trimEnd().split('\n');
    expect(listed).to.have.length(6046);
    expect(listed).to.deep.equal(await corpus());
  });

  it('sums up the whole corpus by folder as another program did, with a hundred mails per task', async () => {
    const paths = await corpus();
    const parts = [];
    for (let at = 0; at < paths.length; at += 100) parts.push({ stdin: `${paths.slice(at, at + 100).join('\n')}\n` });
    const ran = await runByHand(join(FOLDER, 'batches.yaml'), parts, { records: String(paths.length) });
    expect(ran.unmet).to.deep.equal([]);
    expect(ran.counters.features).to.deep.equal({ mails: '6046', lines: '707959', urls: '42464' });
    expect(ran.outputs.summary).to.deep.equal([readFileSync(join(FOLDER, 'expected-by-folder.csv'), 'utf8')]);
  });

  it('produces the same features from stdin, from a list, and in a batch', async () => {
    const paths = (await corpus()).filter((_, index) => index % 300 === 7);
    const files = String(paths.length);
    const mails = paths.map((path) => ({ stdin: readFileSync(path) }));
    const listed = paths.map((item) => ({ stdin: item, item }));
    const byFile = await runByHand(JOB, mails, { files });
    const byList = await runByHand(join(FOLDER, 'list.yaml'), listed, { records: files });
    const batch = await runByHand(join(FOLDER, 'batches.yaml'), [{ stdin: `${paths.join('\n')}\n` }], {
      records: files,
    });
    for (const ran of [byFile, byList, batch]) expect(ran.unmet).to.deep.equal([]);
    const [table = ''] = byFile.outputs.table ?? [];
    expect(table.split('\n')).to.have.length(paths.length + 2);
    expect(countsOf(table)).to.equal(countsOf(byList.outputs.table?.[0] ?? ''));
    expect(batch.outputs.table).to.deep.equal(byList.outputs.table);
    expect(byList.outputs.table?.[0]).to.contain(
      `,${dirname(paths[0] ?? '')
        .split('/')
        .at(-1)},`,
    );
  });
});
