// Protects: a mistake that can be seen before the work is reported then, and nothing is written.

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const LINES = { split: { by: 'range', from: 1, to: 3 } };

describe('before any work', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    here.write('job.json', { name: 'count', input: LINES, steps: [{ name: 'map', run: ['echo', '{index}'] }] });
  });

  const jobs = async (): Promise<string> => (await here.run(['jobs'])).stderr;
  const steps = (run: unknown, more: object = {}) => ({
    name: 'count',
    input: LINES,
    steps: [{ name: 'map', run }],
    ...more,
  });

  it('run refuses a target that it could not write once the job is done', async () => {
    for (const [target, said] of [
      ['job.json/', 'expected a directory, found a file'],
      ['job.json/out.csv', /expected \S+job\.json to be a directory, found a file/],
      ['', 'found an empty name'],
    ] as const) {
      const { code, stderr } = await here.run(['run', 'job.json', '-o', target]);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(new RegExp(said)).and.not.to.include('this is a bug');
    }
    expect(await jobs()).to.include('no jobs');
    expect((await here.run(['run', 'job.json', '-o', 'new/deep/', '--quiet'])).code).to.equal(0);
    expect(readdirSync(here.path('new/deep'))).to.have.length(3);
    const { code, stderr } = await here.run(['fetch', '-o', 'job.json/x/']);
    expect(code, stderr).to.equal(2);
  });

  it('fetch writes nothing if the outputs do not fit, and says how much is free', async () => {
    expect((await here.run(['run', 'job.json', '--quiet'])).code).to.equal(0);
    const ledger = await (await here.platform()).ledger();
    const [job] = await ledger.jobs({});
    const huge = { done: 3, failed: 0, bytesIn: 0, bytesOut: 2 ** 52, seconds: 1, counters: {} };
    await ledger.recordExact(job?.job ?? '', 0, [{ step: 'map', ...huge }]);
    mkdirSync(here.path('empty'));
    for (const target of ['new/', 'new.csv', 'empty']) {
      const { code, stderr } = await here.run(['fetch', '-o', target]);
      expect(code, stderr).to.equal(8);
      expect(stderr).to.match(/-o \S+: expected about \S+, but \S+ has \S+ free\nhint: free some space there/);
    }
    expect([existsSync(here.path('new')), readdirSync(here.path('empty'))]).to.deep.equal([false, []]);
    expect((await here.run(['fetch', '-o', '-'])).code).to.equal(0);
  });

  it('run refuses names of results that collide or replace inputs, and gives results the paths of whole files', async () => {
    mkdirSync(here.path('in/x'), { recursive: true });
    for (const name of ['in/a.csv', 'in/a.txt', "in/x/it's $(touch pwned)\n.csv"]) here.write(name, `${name}\n`);
    here.write('job.json', {
      ...{ name: 'upper', input: { from: 'in', split: { by: 'file' } } },
      steps: [{ name: 'map', run: ['tr', 'a-z', 'A-Z'] }],
    });
    for (const [code, said, ...args] of [
      [2, 'tasks 0 and 1 would have the same file name a.json', '-o', 'out/', '--name', '{stem}.json'],
      [2, '{stme} is unknown', '-o', 'out/', '--name', '{stme}'],
      [2, '--name is for files in a directory, but out.csv is not a directory', '-o', 'out.csv', '--name', '{stem}'],
      [2, '--name is for files in a directory, but there is no -o', '--name', '{stem}'],
      [7, 'in/a.csv: it is an input of job upper', '-o', 'in/'],
    ] as const) {
      const ended = await here.run(['run', 'job.json', ...args]);
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr).to.include(said);
    }
    expect(await jobs()).to.include('no jobs');
    const ran = await here.run(['run', 'job.json', '-o', 'out/', '--quiet']);
    expect(ran.code, ran.stderr).to.equal(0);
    const files = readdirSync(here.path('out'), { recursive: true }).sort();
    expect(files).to.deep.equal(['a.csv', 'a.txt', 'x', "x/it's $(touch pwned)\n.csv"]);
    expect(readFileSync(here.path('out/a.csv'), 'utf8')).to.equal('IN/A.CSV\n');
    const fetched = await here.run(['fetch', '-o', 'typed/', '--name', '{dir}/{input}.json', '--quiet']);
    expect(fetched.code, fetched.stderr).to.equal(0);
    expect(readdirSync(here.path('typed'))).to.have.members(['a.csv.json', 'a.txt.json', 'x']);
    expect(existsSync(here.path('pwned'))).to.equal(false);
    const again = await here.run(['run', 'last', '-o', 'numbered/', '--name', '{task}', '--quiet']);
    expect(again.code, again.stderr).to.equal(0);
    expect(readdirSync(here.path('numbered'))).to.deep.equal(['000000000', '000000001', '000000002']);
  });

  it('an impossible period is refused, though the job does not use it', async () => {
    for (const command of ['run', 'plan', 'submit']) {
      const { code, stderr } = await here.run([command, 'job.json', '--period', '2026-13']);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.include('--period: expected a period such as 2026-11, found "2026-13"');
    }
    expect(await jobs()).to.include('no jobs');
    expect((await here.run(['plan', 'job.json', '--period', '2026-11'])).code).to.equal(0);
  });

  it('run and rehearse refuse a step whose program is not on this machine; plan and submit warn', async () => {
    here.write('job.json', steps(['count-nothing', '{index}']));
    const said = 'step map: count-nothing is not on the PATH';
    for (const command of ['run', 'rehearse']) {
      const { code, stderr } = await here.run([command, 'job.json']);
      expect(code, stderr).to.equal(3);
      expect(stderr).to.include(`error: ${said}\nhint: install it`);
    }
    expect(await jobs()).to.include('no jobs');
    for (const command of [
      ['plan', 'job.json'],
      ['submit', 'job.json'],
      ['run', 'job.json', '--dry-run'],
    ]) {
      const { code, stderr } = await here.run(command);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.include(`warning: ${said}`);
    }
    const inline = await here.run(['run', '--split', 'range:1-2', '--', 'count-nothing']);
    expect(inline.code, inline.stderr).to.equal(3);
  });

  it('the files that a command after -- names are sent along, also into a saved job file', async () => {
    here.write('twice.awk', '{ print 2 * $1 }\n');
    here.write('n.txt', '1\n2\n3\n');
    here.write('large.bin', '');
    truncateSync(here.path('large.bin'), 17 * 2 ** 20);
    const run = (flags: readonly string[], ...words: readonly string[]) =>
      here.run(['run', '--input', 'n.txt', '--split', 'lines:1', ...flags, '--', ...words]);
    const ran = await run(['-o', '-', '--save-job', 'saved.yaml'], 'awk', '-f', './twice.awk', '-v', 'x=n.txt');
    expect([ran.code, ran.stdout], ran.stderr).to.deep.equal([0, '2\n4\n6\n']);
    expect(ran.stderr).to.include('sent along, as the command names it: twice.awk\n');
    expect(readFileSync(here.path('saved.yaml'), 'utf8')).to.match(/^files:[^:]*twice\.awk/m);
    const none = await run(['--dry-run'], 'echo', 'large.bin', '../n.txt', '/etc/hostname', '*', 'nowhere');
    expect(none.code, none.stderr).to.equal(0);
    expect(none.stderr).to.not.include('sent along');
  });

  it("a job's own program must be among its files, executable, and have its interpreter", async () => {
    here.write('price', '#!/usr/bin/env no-such-interpreter\n');
    here.write('rate', '#!/bin/sh\necho 1\n');
    const plan = async (run: unknown, files: readonly string[]): Promise<string> => {
      here.write('job.json', steps(run, files.length === 0 ? {} : { files }));
      const { code, stderr } = await here.run(['plan', 'job.json']);
      expect(code, stderr).to.equal(0);
      return stderr;
    };
    expect(await plan(['./price'], [])).to.include("./price is not one of the job's files; add it to `files`");
    expect(await plan(['./price'], ['price'])).to.include('./price is not executable; chmod +x');
    for (const name of ['price', 'rate']) chmodSync(here.path(name), 0o755);
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

  it('without a configuration a script runs here, as a terminal does, and a line says so', async () => {
    const { code, stderr } = await here.run(['run', 'job.json'], { BATCHCTL_PROFILE: '' });
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^-> local: \.batchctl \(no configuration found\)$/m);
    for (const [missing, argv] of [
      [{ BATCHCTL_CONFIG: 'nowhere.json' }, []],
      [{ BATCHCTL_PROFILE: 'nowhere' }, []],
      [{ BATCHCTL_PROFILE: '' }, ['--config', 'nowhere.json']],
      [{ BATCHCTL_PROFILE: '' }, ['--profile', 'nowhere']],
    ] as const) {
      const refused = await here.run(['submit', 'job.json', ...argv], missing);
      expect(refused.code, refused.stderr).to.equal(3);
      expect(refused.stderr).to.include('nowhere');
    }
    expect(existsSync(here.path('nowhere.json'))).to.equal(false);
  });
});
