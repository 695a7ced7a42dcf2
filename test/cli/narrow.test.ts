import { expect } from 'chai';
import { openPlace, type Place } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { runCli } from './fake-io.ts';

const JOB = 'name: claims\ninput: { split: { by: range, from: 1, to: 3 } }\nsteps: [{ name: price, run: [cat] }]\n';

describe('on a terminal of 80 columns', () => {
  let place: Place;
  beforeEach(async () => {
    place = await openPlace();
  });
  afterEach(() => place.end());

  it("jobs says each one's state, and to the minute when it was accepted", async () => {
    const { record } = await submitJob(place, JOB, {});
    const { directory: cwd } = place;
    const world = { cwd, env: { HOME: cwd }, tty: true, columns: 80 };
    const cancelled = await runCli(['cancel', record.job, '--yes', '--profile', 'local'], world);
    expect(cancelled.code, cancelled.stderr).to.equal(0);
    const { stdout } = await runCli(['jobs', '--profile', 'local', '--no-color', '--tz', 'UTC'], world);
    expect(stdout.split('\n')[1]).to.match(/ cancelled +3 +\d{4}-\d\d-\d\d \d\d:\d\d/);
  });
});
