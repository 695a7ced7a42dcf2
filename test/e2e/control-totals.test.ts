// Protects: counters add up whatever their sign, and a job closes with a verdict whatever its control totals name.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

  it('that do not hold keep run and fetch from writing outputs, unless these are wanted all the same', async () => {
    const { job, stderr } = await run("'paid 10.10'", 'one.paid == 20.30', 'one.paid > 0', 'one.paid == 20.15');
    const unmet = [
      'one.paid == 20.30 does not hold: 20.2 and 20.3, a difference of -0.1',
      'one.paid == 20.15 does not hold: 20.2 and 20.15, a difference of 0.05',
    ];
    for (const text of unmet) expect(stderr).to.include(`not proven: ${text}\n`);
    for (const words of [
      ['fetch', job],
      ['run', job],
    ]) {
      for (const target of ['out.txt', 'out/', '-']) {
        const refused = await workspace.run([...words, '-o', target]);
        expect(refused.code, refused.stderr).to.equal(words[0] === 'fetch' ? 9 : 5);
        for (const text of unmet) expect(refused.stderr).to.include(text);
        expect(refused.stderr).to.include('--allow-unproven');
        expect(refused.stdout).to.not.match(/^1$/m);
        expect(existsSync(workspace.path('out.txt')) || existsSync(workspace.path('out'))).to.equal(false);
      }
    }
    const fetched = await workspace.run(['fetch', job, '-o', 'out.txt', '--allow-unproven']);
    expectExit(fetched);
    expect(fetched.stderr).to.include(`warning: not proven: ${unmet[0]}`);
    expect(readFileSync(workspace.path('out.txt'), 'utf8')).to.equal('1\n2\n');
    const ran = await workspace.run(['run', job, '-o', 'out/', '--allow-unproven']);
    expect(ran.code, ran.stderr).to.equal(5);
    expect(ran.stdout).to.include('output: out/');
    expect(ran.stderr).to.include(unmet[1]).and.not.include('no output was written');
    expect(readdirSync(workspace.path('out'))).to.have.length(2);
    const why = await workspace.run(['why', job]);
    for (const text of unmet) expect(why.stdout).to.include(text);
  });

  it('do not keep fetch from the outputs of a job whose tasks failed', async () => {
    workspace.write('job.json', {
      ...rangeJob('totals', 2, { name: 'one', attempts: 1, run: 'read n; [ "$n" = 1 ] || exit 1; echo "$n"' }),
      expect: ['one.rows == 2'],
    });
    expect((await workspace.run(['run', 'job.json'])).code).to.equal(5);
    const fetched = await workspace.run(['fetch', 'last', '-o', '-']);
    expect([fetched.code, fetched.stdout]).to.deep.equal([0, '1\n']);
    expect(fetched.stderr).to.include('1 of 2 outputs of one; 1 failed for good');
    const { reason, detail } = JSON.parse((await workspace.runSuccessfully('status', 'last', '--json')).stdout);
    expect({ reason, detail }).to.deep.equal({ reason: 'failures', detail: null });
  });

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
