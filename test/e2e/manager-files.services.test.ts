// Protects: a manager's caller uses local files for inputs, programs and outputs as if the job ran locally.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { PrefixProxy } from '../support/servers/proxies.ts';
import { until } from '../support/until.ts';

const JOB = {
  name: 'files',
  files: ['up.sh'],
  input: { from: 'in/', split: { by: 'lines', every: 2 } },
  steps: [
    { name: 'up', run: ['sh', 'up.sh'] },
    { name: 'all', gather: true, run: 'sort' },
  ],
};

describe("a caller's files, through a manager", () => {
  const workspace = forSuite(() => ManagedWorkspace.make({ workers: 1 }));

  before(() => {
    workspace.write('up.sh', 'tr a-z A-Z\n');
    workspace.write('job.json', JOB);
    workspace.write('one.txt', 'a\nb\nc\n');
  });

  const json = async (...words: readonly string[]) => jsonOf(await workspace.run([...words, '--json']));

  it('run submits, follows, verifies and fetches with the same output as locally', async () => {
    const answer = await json('run', 'job.json', '--input', 'one.txt', '--run-key', 'run-1', '-o', 'out.txt');
    expect(answer).to.include({ state: 'succeeded', created: true, output: 'out.txt', runKey: 'run-1' });
    expect(readFileSync(workspace.path('out.txt'), 'utf8')).to.equal('A\nB\nC\n');
    const again = await json('run', 'job.json', '--input', 'one.txt', '--run-key', 'run-1');
    expect(again).to.include({ created: false, output: null, job: answer.job });
    expect(await json('run', answer.job, '-o', 'again.txt')).to.include({ output: 'again.txt' });
    const direct = JSON.parse((await workspace.direct('run', answer.job, '--json')).stdout);
    expect(Object.keys(again)).to.deep.equal(Object.keys(direct));
  });

  it('run without a job file reads its input from a pipe and writes outputs to stdout', async () => {
    const running = workspace.start(
      ['run', '--input', '-', '--split', 'lines:1', '--gather', 'sort', '-o', '-', '--', 'tr', 'a-z', 'A-Z'],
      {},
      'z\ny\n',
    );
    expect(expectExit(await running.ended).stdout).to.equal('Y\nZ\n');
  });

  it('run exits like the job, and names the command to look closer', async () => {
    workspace.write('fails.json', { ...JOB, files: [], steps: [{ name: 'no', attempts: 1, run: 'exit 3' }] });
    const ran = await workspace.run(['run', 'fails.json', '--input', 'one.txt', '-o', 'none.txt', '--json']);
    expect(jsonOf(ran, 5)).to.include({ state: 'failed', output: null });
    expect(ran.stderr).to.match(/next: batchctl failures files-/);
    expect(existsSync(workspace.path('none.txt'))).to.equal(false);
  });

  it('plan describes a submission of local files without uploading anything', async () => {
    workspace.write('planned.txt', 'only\nplanned\nonce\n');
    const plan = await json('plan', 'job.json', '--input', 'planned.txt', '--input', 'store:nothing/*').catch(
      (error: Error) => error,
    );
    expect(String(plan)).to.include('matches nothing');
    const fine = await json('plan', 'job.json', '--input', 'planned.txt', '--run-key', 'plan-1');
    expect(fine).to.deep.include({ parts: 2, tasks: 3, files: ['up.sh'], bytes: 18, existing: null });
    expect(expectExit(await workspace.run(['ls', '--json'])).stdout).not.to.include('planned.txt');
    await json('submit', 'job.json', '--input', 'planned.txt', '--run-key', 'plan-1');
    const after = await json('plan', 'job.json', '--input', 'planned.txt', '--run-key', 'plan-1');
    // The planned digest equals that of the uploaded files.
    expect(after.existing).to.deep.include({ sameContent: true });
  });

  it('retry sends a corrected job file, and schedule add its file of holidays', async () => {
    workspace.write('fixed.json', {
      ...JOB,
      files: ['m.sh'],
      steps: [{ name: 'm', attempts: 1, run: ['sh', 'm.sh'] }],
    });
    workspace.write('m.sh', 'exit 3\n');
    const { job } = await json('submit', 'fixed.json', '--input', 'one.txt');
    expectExit(await workspace.run(['wait', job]), 5);
    workspace.write('m.sh', 'cat\n');
    const codes = (): readonly string[] => readdirSync(workspace.path('.batchctl/store/code'));
    const before = codes();
    const retry = ['retry', job, '--task', 'm/0', '--task', 'm/1', '--with', 'fixed.json'];
    expect(expectExit(await workspace.run([...retry, '--dry-run'])).stdout).to.include('m.sh');
    expect(codes(), 'a dry run stores nothing').to.deep.equal(before);
    expect(await json(...retry)).to.include({ job, count: 2 });
    expect(await json('run', job, '--quiet')).to.include({ job, state: 'succeeded', round: 1 });
    workspace.write('days.txt', '2026-12-31\n');
    const flags = ['--calendar', 'last-business-day', '--holidays', 'days.txt', '--input', 'store:month/{period}.txt'];
    const known = codes();
    workspace.write('more.sh', 'cat\n');
    workspace.write('more.json', { ...JOB, files: ['up.sh', 'more.sh'] });
    expect(await json('schedule', 'add', 'month', 'more.json', ...flags, '--dry-run')).to.include({ changed: true });
    expect(codes(), 'a dry run stores nothing').to.deep.equal(known);
    await json('schedule', 'add', 'month', 'job.json', ...flags);
    rmSync(workspace.path('days.txt'));
    expect(expectExit(await workspace.run(['schedule', 'show', 'month', '--json'])).stdout).to.include('2026-12-31');
  });

  it('run works with a manager below a path of a reverse proxy', async () => {
    const proxy = await PrefixProxy.start(workspace.url);
    try {
      const profiles = {
        below: { backend: 'manager', url: proxy.url },
        slash: { backend: 'manager', url: `${proxy.url}/` },
      };
      workspace.write('below.json', { profile: 'below', profiles });
      for (const profile of ['below', 'slash']) {
        workspace.write('other.txt', `${profile}\n`);
        workspace.write('up.sh', `tr a-z A-Z # ${profile}\n`);
        const words = ['run', 'job.json', '--input', 'other.txt', '-o', `${profile}.txt`, '--config', 'below.json'];
        expectExit(await workspace.run(words, { BATCHCTL_PROFILE: profile }));
        expect(readFileSync(workspace.path(`${profile}.txt`), 'utf8')).to.equal(`${profile.toUpperCase()}\n`);
      }
      expect(proxy.strays).to.deep.equal([]);
    } finally {
      await proxy.stop();
    }
  });

  it('refuses commands that need this machine or the account, and says what to do', async () => {
    for (const [words, code, text] of [
      [['infra', 'plan'], 3, '"backend": "aws"'],
      [['notify', 'test'], 3, 'profile'],
      [['rehearse', 'job.json'], 3, 'rehearse with --profile local'],
      [['run', 'job.json', '--here'], 2, 'omit it'],
    ] as const) {
      const ended = expectExit(await workspace.run(words, { BATCHCTL_PROFILE: 'remote' }), code);
      expect(ended.stderr).to.include(text);
    }
    const { code, stderr } = await workspace.run(['--profile', 'remote', 'worker', '--until-empty']);
    expect({ code, stderr }).to.deep.include({ code: 3 });
    expect(stderr).to.include("the manager's own profile");
  });

  it("doctor checks the connection and the token, then the manager's own checks", async () => {
    const lines = jsonLinesOf(await workspace.run(['doctor', '--json']));
    const severity = (check: string): string => lines.find((line) => line.code === check)?.severity;
    for (const check of ['manager', 'version', 'clock', 'token', 'duties', 'manager.root', 'manager.queueFile']) {
      expect(severity(check), check).to.equal('pass');
    }
    const wrong = await workspace.run(['doctor', '--json'], { BATCHCTL_TOKEN: 'bct_wrong' });
    expect(wrong.code).to.equal(3);
    expect(wrong.stdout).to.match(/"code":"token","severity":"fail"/);
    const none = await workspace.run(['doctor', '--json'], { BATCHCTL_TOKEN: '' });
    expect(none.stdout).to.match(/"code":"token","severity":"fail"/);
  });

  it('waits for a manager that is killed and restarted', async () => {
    workspace.write('slow.json', {
      ...JOB,
      files: [],
      steps: [{ name: 'slow', run: `until [ -e ${workspace.path('go')} ]; do sleep 0.1; done; cat` }],
    });
    const { job } = await json('submit', 'slow.json', '--input', 'one.txt');
    const waiting = workspace.start(['watch', job, '--json']);
    await until('it watches', () => waiting.printed().includes('slow 0/'));
    workspace.manager.child.kill('SIGKILL');
    await workspace.manager.ended;
    await until('the command reports the loss', () => waiting.printed().includes('retrying'));
    await workspace.startManager();
    workspace.write('go', '');
    expect(jsonOf(await waiting.ended)).to.include({ job, state: 'succeeded' });
  });
});
