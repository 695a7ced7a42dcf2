// Protects: counters add up whatever their sign, and a job closes with a verdict whatever its control totals name.
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('control totals', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  const run = async (counters: string, ...equations: readonly string[]) => {
    workspace.write('job.json', {
      ...rangeJob('totals', 2, {
        name: 'one',
        attempts: 1,
        run: `printf '%s\\n' ${counters} >>"$BATCHCTL_COUNTERS"; cat`,
      }),
      expect: equations,
    });
    const { code, stdout, stderr } = await workspace.run(['run', 'job.json', '--json']);
    return { code, stderr, ...(JSON.parse(stdout) as { readonly job: string; readonly state: string }) };
  };

  it('accept a plus sign in a counter, in every check', async () => {
    const ran = await run("'rows +5' 'rows -2'", 'one.rows == 6');
    expect(ran, ran.stderr).to.include({ code: 0, state: 'succeeded' });
    expectExit(await workspace.run(['verify', ran.job]));
  });

  for (const name of ['toString', '__proto__', 'constructor', 'hasOwnProperty'])
    it(`fail and close a job that names the counter ${name}, which nothing counted`, async () => {
      const ran = await run("'rows 1'", `one.${name} == 5`);
      expect(ran, ran.stderr).to.include({ code: 5, state: 'failed' });
      const status = await workspace.run(['report', ran.job]);
      expect(status.stdout + status.stderr).to.include(`one.${name}`);
    });

  it('count under a name that every JavaScript object has', async () => {
    const ran = await run("'constructor 2' 'toString 3'", 'one.constructor + one.toString == 10', 'toString == 6');
    expect(ran, ran.stderr).to.include({ code: 0, state: 'succeeded' });
  });

  it('reject two signs in a counter, and name the line', async () => {
    const ran = await run("'rows +-5'", 'one.rows == 5');
    expect(ran.code).to.equal(5);
    const { stdout } = await workspace.run(['failures', ran.job]);
    expect(stdout).to.match(/line \S+ of \$BATCHCTL_COUNTERS is not "name value"/);
  });
});
