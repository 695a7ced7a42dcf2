// Protects: the spam example rejects bad input, and flags mails by its parameter.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { type Ran, runStep } from './run-by-hand.ts';

const FOLDER = fileURLToPath(new URL('../../examples/spam', import.meta.url));
const JOB = join(FOLDER, 'job.yaml');
const ROW_HEADER = 'mail,group,lines,urls,words,html,shouting,score';

async function features(stdin: string | Buffer): Promise<Ran> {
  const spec = await loadJobFile(JOB);
  const [step] = spec.steps;
  if (step === undefined) throw new Error('the example has no step');
  return runStep(FOLDER, spec, step, { stdin });
}

describe('the spam example', () => {
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
