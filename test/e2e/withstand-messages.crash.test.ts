// Protects: malformed messages are buried with a reason, newer ones and those of another store's jobs are returned, and
// no job loses work over them.
import { expect } from 'chai';
import { jobKey } from '../../src/model/keys.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { CHAINS, CHAINS_OUTPUTS } from '../support/crash-jobs.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

describe('invalid messages', () => {
  const workspace = forEachTest(() => new Workspace(undefined, 6));
  let platform: Platform;

  beforeEach(async () => {
    platform = await workspace.platform();
    workspace.write('job.json', CHAINS);
  });

  const send = async (...bodies: readonly string[]): Promise<void> => {
    const queue = await platform.queue('default');
    await queue.send(bodies.map((body) => ({ body, tenant: 'x' })));
  };
  const message = (fields: object): string =>
    JSON.stringify({ format: 1, step: 'twice', task: 0, round: 0, ...fields });

  it('are buried with their reasons, and the worker continues', async () => {
    const job = await workspace.submit();
    const whole = message({ job });
    const malformed = [
      'no JSON at all',
      whole.slice(0, -7),
      '[1,2]',
      '{"job":"x"}',
      message({ job: '../../../etc/passwd' }),
      message({ job, step: '../..' }),
      message({ job, step: '__proto__' }),
      message({ job, task: 4 }),
      message({ job, task: -1 }),
      message({ job, task: 1e300 }),
    ];
    await send(...malformed);
    expectExit(await workspace.work());
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: CHAINS_OUTPUTS });
    expect(facts.dead).to.have.length(malformed.length);
    expect([...facts.dead].sort()).to.deep.equal(
      [
        'no format',
        'no format',
        'no job',
        'no task',
        'no task',
        'not JSON',
        'not JSON',
        `job ${job} has no step ../..`,
        `job ${job} has no step __proto__`,
        'step twice has 4 tasks',
      ].sort(),
    );
  });

  it('of jobs that are not in the store are returned, and the log says it once', async () => {
    const job = await workspace.submit();
    const elsewhere = 'nobody-20261125-0000-aaaaa';
    await send(...[0, 1, 2].map((task) => message({ job: elsewhere, task })));
    const { stderr } = expectExit(await workspace.work());
    expect(
      stderr.match(/messages of jobs that are not in this store, such as nobody-20261125-0000-aaaaa/g),
    ).to.have.length(1);
    const facts = await factsOf(platform, job);
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: CHAINS_OUTPUTS, queued: 3 });
    const { delayed, visible, leased } = await (await platform.queue('default')).backlog();
    expect({ waiting: delayed + visible, leased }).to.deep.equal({ waiting: 3, leased: 0 });
  });

  it('of a newer format are returned, never buried, and the worker exits with 8', async () => {
    const job = await workspace.submit();
    await send(JSON.stringify({ format: 2, job, step: 'twice', task: 0, something: 'new' }));
    const { stderr } = expectExit(await workspace.work({}, '--slots', '1'), 8);
    expect(stderr).to.match(/this worker runs batchctl .* has format 2/);
    const facts = await factsOf(platform, job);
    expect(facts.dead).to.deep.equal([]);
    const queue = await platform.queue('default');
    expect((await queue.backlog()).delayed).to.be.at.least(1);
    expect((await queue.backlog()).leased).to.equal(0);
  });

  it('of a job of a newer format are also returned, and running work is not lost', async () => {
    const newer = await workspace.submit();
    const record = JSON.parse(new TextDecoder().decode((await platform.store.read(jobKey(newer))) ?? undefined));
    await platform.store.put(jobKey(newer), JSON.stringify({ ...record, format: 9 }));
    expectExit(await workspace.work(), 8);
    const queue = await platform.queue('default');
    const { delayed, visible, leased, dead } = await queue.backlog();
    expect({ waiting: delayed + visible, leased, dead }).to.deep.equal({ waiting: 4, leased: 0, dead: 0 });
    await platform.store.put(jobKey(newer), JSON.stringify(record));
    await queue.purge({});
    expectExit(await workspace.work());
    expect(await factsOf(platform, newer)).to.deep.include({ ...SUCCEEDED, outputs: CHAINS_OUTPUTS });
  });

  it('of a job with a corrupt job.json are buried, and other jobs continue', async () => {
    const broken = await workspace.submit();
    const record = (await platform.store.read(jobKey(broken))) ?? '';
    await platform.store.put(jobKey(broken), 'garbage');
    const fine = await submitJob(workspace, { ...CHAINS, name: 'other' });
    expectExit(await workspace.work());
    const facts = await factsOf(platform, fine);
    expect(facts).to.deep.include({ ...SUCCEEDED, outputs: CHAINS_OUTPUTS });
    expect(facts.dead).to.deep.equal(Array.from({ length: 4 }, () => `${jobKey(broken)} is not JSON`));
    // Once fixed by hand, any watcher sends its tasks again.
    await platform.store.put(jobKey(broken), record);
    expectExit(await workspace.work());
    expect(await factsOf(platform, broken)).to.deep.include({ ...SUCCEEDED, outputs: CHAINS_OUTPUTS });
  });
});
