// Protects: the report of infra check can be sent to others: it contains no full account id and no key id.
import { expect } from 'chai';
import { type CheckReport, CheckSteps, checkText, maskReport } from '../../../src/cli/check/report.ts';
import { BatchctlError } from '../../../src/errors.ts';

const ACCOUNT = '123456789012';

async function reportOf(observations: readonly string[]): Promise<CheckReport> {
  let now = 0;
  const steps = new CheckSteps(
    () => now,
    () => undefined,
  );
  await steps.run('plan', async (see) => {
    now = 1_250;
    for (const text of observations) see(text);
  });
  await steps.run('interruption', async (_see, skip) => skip('not requested'));
  const failing = steps.run('job', () => Promise.reject(new BatchctlError('refused', 'paused', { hint: 'resume' })));
  await failing.catch(() => undefined);
  steps.skip('job', 'noted already');
  steps.skip('verify', 'not reached');
  return {
    format: 1,
    verdict: 'failed',
    stack: 'batchctl-check-aaaaaaaa',
    region: 'eu-west-1',
    account: ACCOUNT,
    instance: 't4g.small',
    ledger: 'store',
    batchctl: '0.1.0',
    system: 'Node',
    startedAt: 'now',
    seconds: 61,
    cost: { instanceHour: null, most: null, interruption: 0.3 },
    steps: steps.all,
    left: null,
    remove: null,
    logs: [{ of: 'w-1', lines: observations }],
  };
}

describe('the report of infra check', () => {
  it('hides all but four digits of account ids everywhere, and ids of keys', async () => {
    const hidden = maskReport(
      await reportOf([
        `User: arn:aws:sts::${ACCOUNT}:assumed-role/x is not authorized`,
        `bucket acme${ACCOUNT}raw of 999988887777, key AKIAIOSFODNN7EXAMPLE`,
        'at 1764324000123, instance i-0999988887777abcd',
      ]),
    );
    const text = `${JSON.stringify(hidden)}\n${checkText(hidden)}`;
    expect(text).not.to.match(/123456789012|999988887777(?!abcd)|IOSFODNN/);
    expect(hidden.account).to.equal('********9012');
    expect(hidden.steps[0]?.seen).to.deep.equal([
      'User: arn:aws:sts::********9012:assumed-role/x is not authorized',
      'bucket acme********9012raw of ********7777, key AKIA********',
      'at 1764324000123, instance i-0999988887777abcd',
    ]);
  });

  it('says for each step how it ended, how long it took, and what was seen', async () => {
    const report = await reportOf(['one', 'two']);
    const lines = checkText(report).split('\n');
    expect(lines)
      .to.include('ok       plan            1.3 s  one')
      .and.include(`${' '.repeat(32)}two`);
    expect(lines).to.include('skipped  interruption    0.0 s  not requested');
    expect(lines)
      .to.include('failed   job             0.0 s  paused')
      .and.include(`${' '.repeat(32)}hint: resume`);
    expect(lines).to.include('skipped  verify                 not reached').and.include('left: unknown');
    expect(report.steps.map(({ step }) => step)).to.deep.equal(['plan', 'interruption', 'job', 'verify']);
    expect(checkText(report)).to.include("as the instance's price is").and.include('about $0.30 for');
  });
});
