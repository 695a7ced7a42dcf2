// Protects: why says who or what paused, stopped or failed a job, and which service can't be read.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { whyJob } from '../../src/jobs/why/why.ts';
import { JOB_FORMAT } from '../../src/model/job.ts';
import { jobKey, journalKey } from '../../src/model/keys.ts';
import { addEntry } from '../support/claims-job.ts';
import { jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { causeCodesOf, rangeJobFile, untilCause } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { submitJob } from './submit-job.ts';

const FAILS_ODD = 'case $BATCHCTL_TASK in *[13579]) echo "bad row $BATCHCTL_TASK" >&2; exit 7;; esac; echo done';

describe('why: decisions and failures', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(4, 'echo done'));
  });

  it('says that a person paused it: who, how long ago, and why', async () => {
    const job = await workspace.submit();
    await workspace.run(['pause', job]);
    const cause = await untilCause(await workspace.platform(), job, 'paused');
    expect(cause.message).to.match(/^\S+@\S+ paused it \S+ ago$/);
    expect(cause.fix).to.equal(`batchctl resume ${job}`);
    expect(await causeCodesOf(await workspace.platform(), job), 'a paused job needs no worker').to.deep.equal([
      'paused',
    ]);
  });

  it('says that the guard "halt" paused it after too many failures', async () => {
    const job = await submitJob(workspace, rangeJobFile(60, FAILS_ODD, { step: { attempts: 1 }, job: { halt: '5%' } }));
    await workspace.work({}, '--slots', '1');
    const platform = await workspace.platform();
    const cause = await untilCause(platform, job, 'halted');
    expect(cause.message).to.include('the guard "halt" paused it').and.include('5 % or more');
    expect(await causeCodesOf(platform, job)).to.include('failing');
  });

  it('says that "onFailure: stop" gave up the rest', async () => {
    const job = await submitJob(
      workspace,
      rangeJobFile(40, FAILS_ODD, { step: { attempts: 1 }, job: { onFailure: 'stop' } }),
    );
    await workspace.work({}, '--slots', '1');
    const cause = await untilCause(await workspace.platform(), job, 'stopped');
    expect(cause.fix).to.include(`batchctl retry ${job}`);
  });

  it('says who cancelled it', async () => {
    const job = await workspace.submit();
    await workspace.run(['cancel', job, '--yes']);
    const cause = await untilCause(await workspace.platform(), job, 'cancelled');
    expect(cause.message).to.match(/^it was cancelled by \S+@\S+, \S+ ago$/);
  });

  it('says that its submission was killed halfway', async () => {
    const killed = await workspace.run(['submit', 'job.json', '--json'], { BATCHCTL_TEST_KILL: 'before-journal:1' });
    expect(killed.signal).to.equal('SIGKILL');
    const platform = await workspace.platform();
    const { job } = await whyJob(async () => platform, 'claims');
    const cause = await untilCause(platform, job ?? '', 'submissionUnfinished');
    expect(cause.fix).to.include(`batchctl verify ${job} --repair`);
    await workspace.run(['verify', job ?? '', '--repair']);
    expect(await causeCodesOf(platform, job ?? '')).to.deep.equal(['noWorker']);
  });

  it('says that it is not due yet', async () => {
    const job = await workspace.submit();
    const platform = await workspace.platform();
    const { record } = await requireView(platform.store, job);
    const notBefore = new Date(Date.now() + 5_400_000).toISOString();
    await platform.store.put(jobKey(job), JSON.stringify({ ...record, notBefore }));
    const cause = await untilCause(platform, job, 'notDue');
    expect(cause.message).to.match(/^it starts in 1h/);
    expect(await causeCodesOf(platform, job)).to.deep.equal(['notDue']);
  });

  it('names the causes of failures with their ids, and the gather that they hold back', async () => {
    const job = await submitJob(workspace, rangeJobFile(9, FAILS_ODD, { gather: true, step: { attempts: 1 } }));
    await workspace.work();
    const platform = await workspace.platform();
    const failing = await untilCause(platform, job, 'failing');
    expect(failing.message).to.include('4 tasks of price failed for good: exit 7, "bad row');
    expect(failing.fix).to.match(new RegExp(`^batchctl retry ${job} --cause \\w{6},`));
    const blocked = await untilCause(platform, job, 'gatherBlocked');
    expect(blocked.message).to.equal("total can't start: 4 chains before it failed for good, 0 are tolerated");
    expect(await causeCodesOf(platform, job)).to.deep.equal(['failing', 'gatherBlocked']);
  });

  it('says that canaries are running, or failed again, and hold the rest of a retry back', async () => {
    const job = await submitJob(workspace, rangeJobFile(6, FAILS_ODD, { step: { attempts: 1 } }));
    await workspace.work();
    const platform = await workspace.platform();
    await workspace.run(['retry', job, '--canary', '1']);
    expect((await untilCause(platform, job, 'canaryRunning')).message).to.include('0 of 1 have succeeded so far');
    await workspace.work();
    const held = await untilCause(platform, job, 'canaryHeld');
    expect(held.message).to.include('round 1 is held back').and.include('price/1 failed for good again');
  });

  it('says that a control total does not hold', async () => {
    const job = await submitJob(
      workspace,
      rangeJobFile(2, 'echo "rows 1" >> "$BATCHCTL_COUNTERS"', { job: { expect: ['price.rows == 3'] } }),
    );
    await workspace.work();
    const platform = await workspace.platform();
    expect((await untilCause(platform, job, 'expectUnmet')).message).to.include(
      'price.rows == 3 does not hold: 2 and 3, a difference of -1',
    );
    expect(await causeCodesOf(platform, job)).to.deep.equal(['expectUnmet']);
  });
});

describe('why: unavailable services', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  let job: string;
  beforeEach(async () => {
    job = await submitJob(workspace, rangeJobFile(4, 'echo done'));
  });

  const replaceByDirectory = (file: string): void => {
    for (const end of ['', '-wal', '-shm']) rmSync(workspace.path('.batchctl', `${file}${end}`), { force: true });
    mkdirSync(workspace.path('.batchctl', file));
  };
  const damage = (file: string): void => {
    for (const end of ['-wal', '-shm']) rmSync(workspace.path('.batchctl', `${file}${end}`), { force: true });
    writeFileSync(workspace.path('.batchctl', file), 'no database at all\n'.repeat(500));
  };

  it("reports a queue that can't be opened", async () => {
    replaceByDirectory('queue.db');
    const cause = await untilCause(await workspace.platform(), job, 'queueUnreachable');
    expect(cause.evidence.join()).to.include('queue.db');
  });

  it("reports a ledger that can't be opened, and still what the store and the queue say", async () => {
    replaceByDirectory('ledger.db');
    await workspace.run(['pause', job]);
    const codes = await causeCodesOf(await workspace.platform(), job);
    expect(codes).to.include('ledgerUnreachable');
    expect(codes.length).to.be.greaterThan(1);
  });

  it('names a damaged ledger with its fix, even without a job argument', async () => {
    damage('ledger.db');
    const { job: found, causes } = jsonOf(await workspace.run(['why', '--json']), 11);
    expect(found).to.equal(null);
    expect(causes[0]).to.include({ code: 'damaged' });
    expect(causes[0].fix).to.include('batchctl ledger rebuild');
  });

  it('reports a store that denies listing', async () => {
    const platform = await workspace.platform();
    const refuse = (prefix: string): never => {
      throw new BatchctlError('unavailable', `can't list ${prefix}: input/output error`, { hint: 'check the disk' });
    };
    const store = wrapStore(platform.store, { list: refuse, keys: refuse });
    const cause = await untilCause({ ...platform, store }, job, 'storeUnreachable');
    expect(cause).to.deep.include({ severity: 'stops', fix: 'check the disk' });
  });

  it('reports a journal entry of a newer format', async () => {
    const platform = await workspace.platform();
    const view = await addEntry(platform, await requireView(platform.store, job), { what: 'adjust', maxRunning: 2 });
    await platform.store.put(journalKey(job, view.next), `{"format":${JOB_FORMAT + 1}}`);
    const { job: found, causes } = await whyJob(async () => platform, job);
    expect(found).to.equal(null);
    expect(causes[0]).to.include({ code: 'newerFormat' });
    expect(causes[0]?.evidence.join()).to.include(`has format ${JOB_FORMAT + 1}`);
  });
});
