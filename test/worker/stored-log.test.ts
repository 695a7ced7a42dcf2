// Protects: a job that a worker can't read fills no log, and a new trouble of it is still said.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { warnOncePerJob } from '../../src/worker/stored-log.ts';

describe("a worker's warnings about a job", () => {
  it('are written once a job and trouble, and again after another one', () => {
    const lines: string[] = [];
    const warn = warnOncePerJob({ warn: (line) => lines.push(line) }, 'heartbeat: ');
    const damaged = (): Error => new BatchctlError('corrupt', 'jobs/a/job.json is not JSON');
    for (let look = 0; look < 5; look += 1) {
      warn('a', damaged());
      warn('b', damaged());
    }
    expect(lines).to.deep.equal(['a', 'b'].map((job) => `heartbeat: job ${job}: jobs/a/job.json is not JSON`));
    warn('a', new BatchctlError('corrupt', 'jobs/a/job.json is gone'));
    warn('a', damaged());
    expect(lines.slice(2)).to.deep.equal([
      'heartbeat: job a: jobs/a/job.json is gone',
      'heartbeat: job a: jobs/a/job.json is not JSON',
    ]);
  });
});
