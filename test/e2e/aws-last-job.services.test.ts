// Protects: on AWS the last job is the one that was accepted last, whatever the clocks of the submitting machines showed.
import { expect } from 'chai';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { movedClock } from '../support/moved-clock.ts';
import { rangeJob } from '../support/range-job.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { emulatedWorkspace, emulators } from './emulated-aws.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('the last job on AWS', () => {
  const aws = forSuite(emulators);
  const proxy = forEachTest(() => FaultProxy.start(aws.s3));
  const workspace = forEachTest(() => emulatedWorkspace({ s3: proxy.url, worksHere: true }));
  beforeEach(() => workspace.write('job.json', rangeJob('count', 1, { name: 'one', run: 'cat' })));

  /** Submits while this machine's clock is ahead by `ours` milliseconds, or behind, and that of S3 by `theirs`. */
  const submit = async (ours: number, theirs: number, ...flags: readonly string[]) => {
    const now = Date.now();
    const clock = ours === 0 ? {} : movedClock(new Date(now + ours).toISOString());
    proxy.heal();
    if (theirs !== 0) {
      const date = new Date(now + theirs).toUTCString();
      proxy.fail(Number.POSITIVE_INFINITY, { kind: 'alter', at: -1, headers: { date } });
    }
    const { code, stdout, stderr } = await workspace.run(['submit', 'job.json', '--json', ...flags], clock);
    expect(code, stderr).to.equal(0);
    const requests = proxy.seen.map(
      ({ method, url }) => `${method} ${url.replaceAll(/count-\d[\w-]*|k\d|0\d{8,}[\w.-]*/g, 'X')}`,
    );
    proxy.heal();
    const { job } = JSON.parse(stdout) as { readonly job: string };
    return { job, stderr, requests };
  };
  const listed = async () =>
    parseJsonLines<{ readonly job: string; readonly createdAt: string }>(
      (await workspace.runSuccessfully('jobs', '--json')).stdout,
    );
  const last = async (word: string) =>
    (JSON.parse((await workspace.runSuccessfully('status', word, '--json')).stdout) as { readonly job: string }).job;

  it('is the one accepted last by the clock of S3, from machines that are ahead and behind', async () => {
    const jobs: string[] = [];
    const now = Date.now();
    for (const [n, ours] of [2 * HOUR, 10 * MINUTE, -3 * HOUR].entries()) {
      const { job, stderr } = await submit(ours, n * MINUTE);
      jobs.unshift(job);
      expect(stderr).to.match(
        /warning: this machine's clock shows \S+Z, the store's \S+Z; job \S+ counts as accepted then/,
      );
      for (const word of ['last', 'name:count']) expect(await last(word)).to.equal(job);
      const [newest] = await listed();
      expect(Date.parse(newest?.createdAt ?? '') - now - n * MINUTE).to.be.within(-2_000, 2 * MINUTE);
    }
    expect((await listed()).map(({ job }) => job)).to.deep.equal(jobs);
    await workspace.runSuccessfully('ledger', 'rebuild');
    expect((await listed()).map(({ job }) => job)).to.deep.equal(jobs);
  });

  it('keeps the time that the clock showed, and costs no request more', async () => {
    await submit(0, 0);
    // With a run key, no open job is compared.
    const right = await submit(0, 0, '--run-key', 'k1');
    expect(right.stderr).not.to.contain('clock');
    const behind = await submit(-4 * HOUR, 0, '--run-key', 'k2');
    expect(behind.requests.sort()).to.deep.equal(right.requests.sort());
    const { stdout } = await workspace.runSuccessfully('status', behind.job, '--json');
    expect(Date.now() - Date.parse(JSON.parse(stdout).createdAt)).to.be.greaterThan(3 * HOUR);
  });

  it('goes by no clock in an answer that may be from a proxy alone', async () => {
    const date = new Date(Date.now() + 5 * HOUR).toUTCString();
    const refusal = { kind: 'answer', status: 503, code: 'SlowDown', headers: { date } } as const;
    proxy.fail(1, refusal, ({ method, url }) => method === 'PUT' && url.includes('/parts/'));
    const { code, stderr } = await workspace.run(['submit', 'job.json', '--json']);
    expect(code, stderr).to.equal(0);
    expect(stderr).not.to.contain('clock');
    expect(proxy.met).to.have.length(1);
  });
});
