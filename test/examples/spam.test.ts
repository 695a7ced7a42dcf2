// Protects: the spam example produces the same features in every mode, and rejects bad input.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { globSync } from 'tinyglobby';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { type Ran, runByHand, runStep } from './run-by-hand.ts';

const FOLDER = fileURLToPath(new URL('../../examples/spam', import.meta.url));
const JOB = join(FOLDER, 'job.yaml');
const ROW_HEADER = 'mail,group,lines,urls,words,html,shouting,score';

async function corpus(): Promise<readonly string[]> {
  const spec = await loadJobFile(JOB);
  const from = spec.input?.from ?? [];
  return globSync([...from], { cwd: FOLDER, absolute: true }).sort();
}

async function features(stdin: string | Buffer): Promise<Ran> {
  const spec = await loadJobFile(JOB);
  const [step] = spec.steps;
  if (step === undefined) throw new Error('the example has no step');
  return runStep(FOLDER, spec, step, { stdin });
}

const countsOf = (rows: string): string =>
  rows
    .split('\n')
    .slice(1)
    .map((row) => row.split(',').slice(2).join(','))
    .join('\n');

describe('the spam example', () => {
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

  it('flags by the parameter threshold, and rejects one that is not a number', async () => {
    const spec = await loadJobFile(JOB);
    const step = spec.steps.find(({ name }) => name === 'summary');
    if (step === undefined) throw new Error('the example has no summary');
    const stdin = `${ROW_HEADER}\na,,1,0,0,0,0,3\nb,,2,1,0,1,0,6\n`;
    const flagged = (threshold: string): Ran => runStep(FOLDER, spec, step, { stdin }, { threshold });
    expect(flagged('3').stdout).to.contain('\nall,2,3,1,1,2,100.0\n');
    expect(flagged('4').stdout).to.contain('\nall,2,3,1,1,1,50.0\n');
    expect(flagged('high').code).to.equal(65);
    expect(flagged('high').stderr).to.contain('found "high"');
  });

  it('reads a mail with NUL and high bytes, and one without a final line end', async () => {
    const mail = Buffer.from(
      'Message-Id: <a,"b"@c>\nSubject: FREE MONEY\r\n\r\nDear \xe9\0 friend!\nhttp://a http://b',
      'latin1',
    );
    const { code, stdout } = await features(mail);
    expect(code).to.equal(0);
    expect(stdout).to.equal(`${ROW_HEADER}\na__b_@c,,5,2,1,0,1,3\n`);
  });

  it('fails an empty mail for good', async () => {
    const { code, stderr } = await features('');
    expect([code, stderr]).to.deep.equal([65, 'features: an empty mail\n']);
  });
});
