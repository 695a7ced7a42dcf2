// Protects: the spam example rejects bad input, and flags mails by its parameter.
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runStep } from './run-by-hand.ts';

const JOB = fileURLToPath(new URL('../../examples/spam/job.yaml', import.meta.url));
const ROW_HEADER = 'mail,group,lines,urls,words,html,shouting,score';

const features = (stdin: string | Buffer) => runStep(JOB, 'features', stdin);

describe('the spam example', () => {
  it('flags by the parameter threshold, and rejects one that is not a number', async () => {
    const stdin = `${ROW_HEADER}\na,,1,0,0,0,0,3\nb,,2,1,0,1,0,6\n`;
    const summary = (threshold: string) => runStep(JOB, 'summary', stdin, { threshold });
    expect((await summary('3')).stdout).to.contain('\nall,2,3,1,1,2,100.0\n');
    expect((await summary('4')).stdout).to.contain('\nall,2,3,1,1,1,50.0\n');
    const { code, stderr } = await summary('high');
    expect(code).to.equal(65);
    expect(stderr).to.contain('found "high"');
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
