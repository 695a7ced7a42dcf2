// Protects: a failed attempt is retried exactly as often as its step says, and not if a retry can't help.
// Protects: a job that is paused for a denied input names the configuration entry that lets workers read it.

import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { HeaderError } from '../../src/jobs/fetch/join.ts';
import { grantHint } from '../../src/worker/denials.ts';
import type { CommandEnd } from '../../src/worker/executor.ts';
import { failureOf, failureOfError, judgeFailure, outcomeOfAbort, shortMessageOf } from '../../src/worker/outcome.ts';

describe('a failed attempt', () => {
  const judged = (number: number, failure: { reason?: string; exitCode?: number | null } = {}): unknown =>
    judgeFailure(
      { step: { attempts: 3, permanent: [65] }, number } as never,
      { reason: 'exit', exitCode: 1, error: 'x', ...failure },
      1,
    );

  it('is retried, later each time, until its attempts are used up', () => {
    const failure = { reason: 'exit', exitCode: 1, error: 'x' };
    expect(judged(1)).to.deep.equal({ kind: 'retry', failure, delay: 1 });
    expect(judged(2)).to.deep.equal({ kind: 'retry', failure, delay: 2 });
    expect(judged(3)).to.deep.equal({ kind: 'failed', failure, attempts: 3 });
    expect(judged(4)).to.include({ kind: 'failed', attempts: 4 });
  });

  it('fails for good at once for a permanent exit code, a changed input or a missing program', () => {
    expect(judged(1, { exitCode: 65 })).to.include({ kind: 'failed', attempts: 1 });
    for (const reason of ['changed', 'missing'])
      expect(judged(1, { reason, exitCode: null }), reason).to.include({ kind: 'failed', attempts: 1 });
    expect(judged(1, { reason: 'timeout', exitCode: null })).to.include({ kind: 'retry' });
  });
});

describe('an attempt that is ended from outside', () => {
  it('uses up no attempt and is returned at once, unless a person ended the task or its job, or the lease is lost', () => {
    for (const why of ['pause', 'drain', 'spot', 'kill'] as const)
      expect(outcomeOfAbort({ number: 2 }, why)).to.deep.equal({ kind: 'interrupted', why, delay: 0 });
    expect(outcomeOfAbort({ number: 2 }, 'lease')).to.deep.equal({ kind: 'leaseLost' });
    expect(outcomeOfAbort({ number: 2 }, 'cancel')).to.deep.equal({ kind: 'dropped', why: 'cancelled' });
    const failure = { reason: 'killed', exitCode: null, error: 'failed by tasks kill' };
    expect(outcomeOfAbort({ number: 2 }, 'killFail')).to.deep.equal({ kind: 'failed', failure, attempts: 2 });
  });
});

describe('the reason why an attempt failed', () => {
  const ended = (how: CommandEnd['how'], code: number | null, signal: CommandEnd['signal'] = null): CommandEnd => ({
    ...{ how, code, signal, seconds: 3.4, cpuSeconds: null, peakMemory: null, strays: 0 },
  });

  it('is memory if the system killed it, and otherwise the way it ended; its last line says more', () => {
    expect(failureOf(ended('signal', 137, 'SIGKILL'), null)).to.deep.equal({
      ...{ reason: 'memory', exitCode: 137 },
      error: 'killed by SIGKILL, probably because memory ran out',
    });
    expect(failureOf(ended('signal', 139, 'SIGSEGV'), null)).to.include({
      reason: 'signal',
      error: 'ended by SIGSEGV',
    });
    expect(failureOf(ended('timeout', 143), null).error).to.equal('ran longer than its timeout (3 s)');
    expect(failureOf(ended('exit', 9), 'no rate')).to.deep.equal({ reason: 'exit', exitCode: 9, error: 'no rate' });
  });

  it("is the input or the output if that is at fault, which a retry of the first doesn't fix, and never a service", () => {
    const header = new HeaderError('other columns');
    expect(failureOfError(header)).to.include({ reason: 'input', error: 'other columns' });
    const task = { step: { attempts: 3, permanent: [] }, number: 1 } as never;
    expect(judgeFailure(task, { reason: 'input', exitCode: null, error: 'x' })).to.include({ kind: 'failed' });
    for (const kind of ['jobFailed', 'usage'] as const)
      expect(failureOfError(new BatchctlError(kind, 'x'))).to.include({ reason: 'output' });
    for (const kind of ['changed', 'corrupt', 'proof'] as const)
      expect(failureOfError(new BatchctlError(kind, 'x'))).to.include({ reason: kind });
    for (const error of [new BatchctlError('unavailable', 'x'), new BatchctlError('full', 'x'), new Error('x')])
      expect(failureOfError(error)).to.equal(null);
    expect(shortMessageOf(new Error('x'.repeat(600)))).to.have.length(512);
  });
});

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/0a-1';
const OBJECT = 's3:GetObject on arn:aws:s3:::raw/claims/2026/a.csv';

describe('the entry that lets workers read a denied input', () => {
  const of = (denied: string, message = `${denied} is denied`): string | null =>
    grantHint({ message, denied, group: 'gpu', store: { location: 's3://own/batchctl' } });

  it("names the group's keys if the key is denied, and its read with the input's folder if the object is", () => {
    const denied = `kms:Decrypt on ${KEY}`;
    expect(of(denied, `${denied} is denied, which ${OBJECT} needs`)).to.include(`add ${KEY} to groups.gpu.keys`);
    expect(of(OBJECT)).to.include('add s3://raw/claims/2026/ to groups.gpu.read');
    expect(of('s3:GetObject on arn:aws:s3:::raw/a.csv')).to.include('add s3://raw/ to groups.gpu.read');
  });

  it("is missing for the profile's own bucket, whose permissions come from `infra up`, and if no object is named", () => {
    expect(of('s3:GetObject on arn:aws:s3:::own/batchctl/data/a')).to.match(/^batchctl infra up --only iam gives/);
    const denied = `kms:GenerateDataKey on ${KEY}`;
    const put = `${denied} is denied, which s3:PutObject on arn:aws:s3:::own/batchctl/jobs/a needs`;
    expect(of(denied, put)).to.include(`set kmsKey of the profile to ${KEY}`);
    expect(of('ssm:GetParameter on arn:aws:ssm:eu-west-1:1:parameter/a')).to.equal(null);
  });
});
