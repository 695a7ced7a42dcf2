// Protects: mistakes that can be found before any work are reported then, and nothing is written.

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('before any work', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('job.json', rangeJob('count', 3, { name: 'map', run: ['echo', '{index}'] }));
  });

  const expectNoJobs = async (): Promise<void> => {
    expect((await workspace.run(['jobs'])).stderr).to.include('no jobs');
  };

  it('run refuses a target that it could not write once the job is done', async () => {
    for (const [target, message] of [
      ['job.json/', /expected a directory, found a file/],
      ['job.json/out.csv', /expected \S+job\.json to be a directory, found a file/],
      ['', /found an empty name/],
    ] as const) {
      const { code, stderr } = await workspace.run(['run', 'job.json', '-o', target]);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(message).and.not.to.include('this is a bug');
    }
    await expectNoJobs();
    await workspace.runSuccessfully('run', 'job.json', '-o', 'new/deep/', '--quiet');
    expect(readdirSync(workspace.path('new/deep'))).to.have.length(3);
    const { code, stderr } = await workspace.run(['fetch', '-o', 'job.json/x/']);
    expect(code, stderr).to.equal(2);
  });

  it('fetch writes nothing if the outputs do not fit, and says how much is free', async () => {
    await workspace.runSuccessfully('run', 'job.json', '--quiet');
    const ledger = await (await workspace.platform()).ledger();
    const [job] = await ledger.jobs({});
    const tally = { step: 'map', done: 3, failed: 0, bytesIn: 0, bytesOut: 2 ** 52, seconds: 1, counters: {} };
    await ledger.recordExact(job?.job ?? '', 0, [tally]);
    mkdirSync(workspace.path('empty'));
    for (const target of ['new/', 'new.csv', 'empty']) {
      const { code, stderr } = await workspace.run(['fetch', '-o', target]);
      expect(code, stderr).to.equal(8);
      expect(stderr).to.match(/-o \S+: expected about \S+, but \S+ has \S+ free\nhint: free some space there/);
    }
    expect([existsSync(workspace.path('new')), readdirSync(workspace.path('empty'))]).to.deep.equal([false, []]);
    await workspace.runSuccessfully('fetch', '-o', '-');
  });

  it('run refuses names of results that collide or replace inputs, and gives results the paths of whole files', async () => {
    mkdirSync(workspace.path('in/x'), { recursive: true });
    for (const name of ['in/a.csv', 'in/a.txt', "in/x/it's $(touch pwned)\n.csv"]) workspace.write(name, `${name}\n`);
    workspace.write('job.json', {
      name: 'upper',
      input: { from: 'in', split: { by: 'file' } },
      steps: [{ name: 'map', run: ['tr', 'a-z', 'A-Z'] }],
    });
    for (const [code, message, ...args] of [
      [2, 'tasks 0 and 1 would have the same file name a.json', '-o', 'out/', '--name', '{stem}.json'],
      [2, '{stme} is unknown', '-o', 'out/', '--name', '{stme}'],
      [2, '--name is for files in a directory, but out.csv is not a directory', '-o', 'out.csv', '--name', '{stem}'],
      [2, '--name is for files in a directory, but there is no -o', '--name', '{stem}'],
      [7, 'in/a.csv: it is an input of job upper', '-o', 'in/'],
      [7, 'in/a.csv: it is an input of job upper', '-o', 'in/a.csv'],
    ] as const) {
      const ended = await workspace.run(['run', 'job.json', ...args]);
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr).to.include(message);
    }
    await expectNoJobs();
    await workspace.runSuccessfully('run', 'job.json', '-o', 'out/', '--quiet');
    const files = readdirSync(workspace.path('out'), { recursive: true }).sort();
    expect(files).to.deep.equal(['a.csv', 'a.txt', 'x', "x/it's $(touch pwned)\n.csv"]);
    expect(readFileSync(workspace.path('out/a.csv'), 'utf8')).to.equal('IN/A.CSV\n');
    await workspace.runSuccessfully('fetch', '-o', 'typed/', '--name', '{dir}/{input}.json', '--quiet');
    expect(readdirSync(workspace.path('typed'))).to.have.members(['a.csv.json', 'a.txt.json', 'x']);
    expect(existsSync(workspace.path('pwned'))).to.equal(false);
    await workspace.runSuccessfully('run', 'last', '-o', 'numbered/', '--name', '{task}', '--quiet');
    expect(readdirSync(workspace.path('numbered'))).to.deep.equal(['000000000', '000000001', '000000002']);
  });

  it('an impossible period is refused, though the job does not use it', async () => {
    for (const command of ['run', 'plan', 'submit']) {
      const { code, stderr } = await workspace.run([command, 'job.json', '--period', '2026-13']);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.include('--period: expected a period such as 2026-11, found "2026-13"');
    }
    await expectNoJobs();
    await workspace.runSuccessfully('plan', 'job.json', '--period', '2026-11');
  });

  it('run and rehearse refuse a step whose program is not on this machine; plan and submit warn', async () => {
    workspace.write('job.json', rangeJob('count', 3, { name: 'map', run: ['count-nothing', '{index}'] }));
    const message = 'step map: count-nothing is not on the PATH';
    for (const command of ['run', 'rehearse']) {
      const { code, stderr } = await workspace.run([command, 'job.json']);
      expect(code, stderr).to.equal(3);
      expect(stderr).to.include(`error: ${message}\nhint: install it`);
    }
    await expectNoJobs();
    for (const command of [
      ['plan', 'job.json'],
      ['submit', 'job.json'],
      ['run', 'job.json', '--dry-run'],
    ]) {
      const { stderr } = await workspace.runSuccessfully(...command);
      expect(stderr).to.include(`warning: ${message}`);
    }
    const inline = await workspace.run(['run', '--split', 'range:1-2', '--', 'count-nothing']);
    expect(inline.code, inline.stderr).to.equal(3);
  });

  it('the files that a command after -- names are sent along, also into a saved job file', async () => {
    workspace.write('twice.awk', '{ print 2 * $1 }\n');
    workspace.write('n.txt', '1\n2\n3\n');
    workspace.write('large.bin', '');
    truncateSync(workspace.path('large.bin'), 17 * 2 ** 20);
    const run = (flags: readonly string[], ...words: readonly string[]) =>
      workspace.runSuccessfully('run', '--input', 'n.txt', '--split', 'lines:1', ...flags, '--', ...words);
    const ran = await run(['-o', '-', '--save-job', 'saved.yaml'], 'awk', '-f', './twice.awk', '-v', 'x=n.txt');
    expect(ran.stdout).to.equal('2\n4\n6\n');
    expect(ran.stderr).to.include('sent along, as the command names it: twice.awk\n');
    expect(readFileSync(workspace.path('saved.yaml'), 'utf8')).to.match(/^files:[^:]*twice\.awk/m);
    const none = await run(['--dry-run'], 'echo', 'large.bin', '../n.txt', '/etc/hostname', '*', 'nowhere');
    expect(none.stderr).to.not.include('sent along');
  });

  it("a job's own program must be among its files, executable, and have its interpreter", async () => {
    workspace.write('price', '#!/usr/bin/env no-such-interpreter\n');
    workspace.write('rate', '#!/bin/sh\necho 1\n');
    const plan = async (run: unknown, files: readonly string[]): Promise<string> => {
      workspace.write('job.json', {
        ...rangeJob('count', 3, { name: 'map', run }),
        ...(files.length > 0 && { files }),
      });
      return (await workspace.runSuccessfully('plan', 'job.json')).stderr;
    };
    expect(await plan(['./price'], [])).to.include("./price is not one of the job's files; add it to `files`");
    expect(await plan(['./price'], ['price'])).to.include('./price is not executable; chmod +x');
    for (const name of ['price', 'rate']) chmodSync(workspace.path(name), 0o755);
    expect(await plan(['./price'], ['price'])).to.include('needs the interpreter no-such-interpreter');
    expect(await plan(['rate'], ['rate'])).to.include("to run the job's own file, write ./rate");
    const { PATH } = process.env;
    process.env.PATH = `${PATH}:.`;
    try {
      for (const run of [['./rate'], ['rate'], 'no-such-program; cat', ['{index}'], ['/bin/sh', 'no-such-script']])
        expect(await plan(run, ['rate']), String(run)).to.equal('');
    } finally {
      process.env.PATH = PATH;
    }
  });

  it('a script without a configuration runs here, as on a terminal, and a line says so', async () => {
    const { code, stderr } = await workspace.run(['run', 'job.json'], { BATCHCTL_PROFILE: '' });
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^-> local: \.batchctl \(no configuration found\)$/m);
    for (const [env, argv] of [
      [{ BATCHCTL_CONFIG: 'nowhere.json' }, []],
      [{ BATCHCTL_PROFILE: 'nowhere' }, []],
      [{ BATCHCTL_PROFILE: '' }, ['--config', 'nowhere.json']],
      [{ BATCHCTL_PROFILE: '' }, ['--profile', 'nowhere']],
    ] as const) {
      const refused = await workspace.run(['submit', 'job.json', ...argv], env);
      expect(refused.code, refused.stderr).to.equal(3);
      expect(refused.stderr).to.include('nowhere');
    }
    expect(existsSync(workspace.path('nowhere.json'))).to.equal(false);
  });
});
