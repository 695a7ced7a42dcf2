// Protects: a worker of another stack that uses the same queue loses no message of a job that it can't find.
import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { factsOf } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';

const TASKS = 10;

describe('two stacks with one queue', () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  const ours = forEachTest(() => AwsWorkspace.make({ s3: moto.url, sqs: fauxqs.url }));

  it("return each other's messages, so that a stack's own worker finds all of its job", async () => {
    ours.write('job.json', rangeJob('claims', TASKS, { name: 'price', run: 'cat' }));
    const job = await ours.submit();
    // The same names, and another bucket.
    const theirs = await AwsWorkspace.make({
      s3: moto.url,
      sqs: fauxqs.url,
      stack: ours.stack,
      profile: { bucket: { name: ours.stack, prefix: 'theirs/' } },
    });
    const { stderr } = expectExit(await theirs.run(['worker', '--here', '--until-empty', '--slots', '4']));
    expect(stderr.match(/messages of jobs that are not in this store, such as claims-/g)).to.have.length(1);
    const platform = await ours.platform();
    const queue = await platform.queue('default');
    const { visible, leased, delayed, dead } = await queue.backlog();
    expect({ left: visible + leased + delayed, dead }).to.deep.equal({ left: TASKS, dead: 0 });
    expectExit(await ours.run(['worker', '--here', '--until-empty', '--slots', '4']));
    expect((await factsOf(platform, job)).dead).to.deep.equal([]);
    expectExit(await ours.run(['wait', job]));
  });
});
