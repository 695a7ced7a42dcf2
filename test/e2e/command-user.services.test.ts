// Protects: commands that run as their own user cannot read the worker's secrets or change published outputs.
import { execSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { requireRoot } from '../support/run/lacking.ts';
import { keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

const NOBODY = {
  BATCHCTL_COMMAND_USER: 'nobody',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SESSION_TOKEN: 'token',
  AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1/',
};

/** Every way in and out: job files, stdin, a file, a directory; stdout, a file, files, counters. */
const ALL_WAYS = {
  name: 'ways',
  files: ['tool.sh', 'rates/eu.csv'],
  input: { from: 'numbers.txt', split: { by: 'lines', every: 1 } },
  steps: [
    { name: 'add', run: './tool.sh; echo "rows 2" >>$BATCHCTL_COUNTERS' },
    {
      name: 'out',
      input: 'file',
      output: 'file',
      // Written next to it and renamed, as careful programs do. A program that refuses to overwrite finds no file
      // there.
      run: '[ ! -e $BATCHCTL_OUTPUT ] && tr 0-9 a-j <$BATCHCTL_INPUT >$BATCHCTL_OUTPUT.new && mv $BATCHCTL_OUTPUT.new $BATCHCTL_OUTPUT',
    },
    {
      name: 'many',
      gather: true,
      input: 'dir',
      output: 'files',
      run: 'mkdir $BATCHCTL_OUTPUT_DIR/all && cp $BATCHCTL_INPUT/* $BATCHCTL_OUTPUT_DIR/all/ && rm $BATCHCTL_INPUT/*',
    },
  ],
};

describe('a worker that runs commands as another user', () => {
  let workspace: Workspace;

  before(() => {
    requireRoot('run commands as another user');
  });

  beforeEach(() => {
    workspace = new Workspace();
    chmodSync(workspace.dir, 0o711);
    workspace.write('numbers.txt', '1\n2\n');
  });

  afterEach(() => workspace?.remove());

  async function runJob(job: unknown, ...flags: readonly string[]) {
    const id = await submitJob(workspace, job);
    chmodSync(workspace.path('.batchctl'), 0o711);
    expectExit(await workspace.work(NOBODY, '--slots', '2', ...flags));
    return { id, facts: await factsOf(await workspace.platform(), id) };
  }

  for (const mask of [0, 0o077])
    it(`handles every kind of input and output under a umask of 0${mask.toString(8)}, and that user can't change published outputs`, async () => {
      await withUmask(mask, runAllWays);
    });

  async function runAllWays(): Promise<void> {
    writeFileSync(workspace.path('tool.sh'), '#!/bin/sh\nread n && echo $((n + $(cat rates/eu.csv)))\n', {
      mode: 0o700,
    });
    mkdirSync(workspace.path('rates'));
    writeFileSync(workspace.path('rates/eu.csv'), '40\n', { mode: 0o600 });
    const { facts } = await runJob(ALL_WAYS);
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
    expect(facts.outputs).to.deep.equal({
      add: { 0: '41\n', 1: '42\n' },
      out: { 0: 'eb\n', 1: 'ec\n' },
      many: { 0: 'eb\nec\n' },
    });
    const owners = new Set(filesBelow(workspace.path('.batchctl')).map((path) => statSync(path).uid));
    expect([...owners]).to.deep.equal([0]);
  }

  it("gives commands their own home, and none of the worker's environment or files", async () => {
    workspace.write('secret', 'hunter2\n');
    chmodSync(workspace.path('secret'), 0o600);
    workspace.write('tool.sh', 'echo job file\n');
    const commands = [
      'env | sort | grep -E "^(AWS_|BATCHCTL_(TEST|COMMAND)|HOME|TMPDIR|USER)" | sed "s:=.*/:=:"',
      'cd "$HOME" && echo kept >x && cat x',
      `cat ${workspace.path('secret')} || echo closed`,
      `ls ${workspace.path('.batchctl/work')}/ || echo unlisted`,
      'ls $BATCHCTL_COUNTERS/../../../code || echo no cache',
    ];
    const { facts } = await runJob({
      ...rangeJob('looks', 1, { name: 'look', run: commands.join('; ') }),
      files: ['tool.sh'],
    });
    expect(facts.outputs.look?.[0]?.split('\n')).to.deep.equal([
      'HOME=home',
      'TMPDIR=home',
      'USER=nobody',
      'kept',
      'closed',
      'unlisted',
      'no cache',
      '',
    ]);
  });

  it('reads none of its own files and variables for a job unless the profile names them', async () => {
    workspace.write('secret', 'hunter2\n');
    chmodSync(workspace.path('secret'), 0o600);
    const file = `file:${workspace.path('secret')}`;
    const allow = (allowSecrets?: readonly string[]): void =>
      workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', allowSecrets } } });
    workspace.write(
      'job.json',
      rangeJob('asks', 3, { name: 'ask', run: 'echo "$KEY $ID"', secrets: { KEY: file, ID: 'env:AWS_ACCESS_KEY_ID' } }),
    );
    allow();
    const id = await workspace.submit();
    chmodSync(workspace.path('.batchctl'), 0o711);
    const { store } = await workspace.platform();
    for (const [allowed, refused] of [
      [undefined, file],
      [[file], 'env:AWS_ACCESS_KEY_ID'],
      [['env:AWS_*', `file:${workspace.path('other')}`], file],
    ] as const) {
      allow(allowed);
      expectExit(await workspace.work(NOBODY, '--slots', '1'));
      const status = jsonOf(await workspace.run(['status', id, '--json']));
      expect(status).to.include({ state: 'paused', reason: 'secret' });
      const { stdout } = await workspace.run(['why', id]);
      expect(stdout)
        .to.include(`(${refused})`)
        .and.match(/w-\S+ may not read it: add "allowSecrets": \["/);
      // One task pauses the job rather than every task retrying, and the secret appears nowhere.
      expect(await keysBelow(store, `jobs/${id}/steps/`)).to.deep.equal([]);
      expect(await workspace.run(['resume', id])).to.include({ code: 0 });
    }
    allow([file, 'env:AWS_*']);
    expectExit(await workspace.work(NOBODY));
    const { outputs } = await factsOf(await workspace.platform(), id);
    expect(outputs.ask?.[0]).to.equal('hunter2 AKIAEXAMPLE\n');
  });

  it('publishes no file of another user, whatever name points to it', async () => {
    workspace.write('secret', 'hunter2\n');
    chmodSync(workspace.path('secret'), 0o644);
    const secret = workspace.path('secret');
    const { facts, id } = await runJob({
      name: 'thief',
      tolerate: 4,
      input: { split: { by: 'list' }, from: 'ways.txt' },
      ...ways({
        link: `ln -s ${secret} $BATCHCTL_OUTPUT`,
        removed: `rm -f $BATCHCTL_COUNTERS; ln -s ${secret} $BATCHCTL_COUNTERS; echo ok >$BATCHCTL_OUTPUT`,
        moved: `mkdir x; mv $(dirname $BATCHCTL_COUNTERS)/err x/; ln -s ${secret} $(dirname $BATCHCTL_COUNTERS)/err; exit 3`,
      }),
    });
    expect(facts.outputs.take).to.deep.equal({ 1: 'ok\n' });
    const tasks = await workspace.run(['tasks', id, '--json']);
    const logs = await workspace.run(['logs', id]);
    expect(tasks.stdout + logs.stdout)
      .to.include('expected $BATCHCTL_OUTPUT to be a regular file, found a symbolic link')
      .and.not.include('hunter2');
  });

  it('recognises a command that was killed for memory, and one that its timeout ended', async () => {
    const { id } = await runJob({
      ...rangeJob(
        'ends',
        2,
        { name: 'killed', attempts: 1, run: 'read n; [ $n = 1 ] || kill -9 $$' },
        { name: 'slow', attempts: 1, timeout: '1s', run: 'sleep 60 & wait' },
      ),
      tolerate: 2,
    });
    const tasks = jsonLinesOf(await workspace.run(['tasks', id, '--state', 'failed', '--json']));
    expect(tasks.map(({ step, task, reason }) => ({ step, task, reason }))).to.have.deep.members([
      { step: 'killed', task: 1, reason: 'memory' },
      { step: 'slow', task: 0, reason: 'timeout' },
    ]);
  });

  it("exits with code 3 and takes nothing if the user does not exist or can't reach its files", async () => {
    const missing = await workspace.work({ BATCHCTL_COMMAND_USER: 'no-such-user' });
    expect(missing).to.include({ code: 3 });
    expect(missing.stderr).to.include('there is no such user');
    chmodSync(workspace.dir, 0o700);
    const closed = await workspace.work(NOBODY);
    expect(closed).to.include({ code: 3 });
    expect(closed.stderr).to.include(`${workspace.dir}, on the path to `).and.include(', is closed to it');
  });

  it('opens no database, log or object of the root when its hint is followed', async () => {
    await withUmask(0, async () => {
      chmodSync(workspace.path('.'), 0o700);
      const root = workspace.path('.batchctl');
      expect(await workspace.run(['upload', 'numbers.txt'])).to.include({ code: 0 });
      expect(await workspace.run(['manager', 'token', 'create', 'ann'])).to.include({ code: 0 });
      workspace.write('job.json', {
        name: 'thief',
        input: { from: 'paths.txt', split: { by: 'lines', every: 1_000 } },
        steps: [{ name: 'try', run: TRY_ALL }],
      });
      workspace.write('paths.txt', 'x\n');
      await workspace.submit();
      for (const closed of [workspace.dir, root]) {
        const { stderr } = expectExit(await workspace.work(NOBODY), 3);
        const hint = /chmod o\+x \S+/.exec(stderr)?.[0] ?? '';
        expect(hint).to.equal(`chmod o+x ${closed}`);
        execSync(hint);
      }
      expect(await workspace.run(['scale', '1'], NOBODY)).to.include({ code: 0 });
      const work = `${root}/work/`;
      await until('a worker has its slots', () =>
        readdirSync(work).some((name) => existsSync(`${work}${name}/slot-0.fifo`)),
      );
      const paths = readdirSync(root, { recursive: true }).map((name) => join(root, String(name)));
      for (const name of ['ledger.db-wal', 'queue.db', 'default.log', 'format'])
        expect(paths.join(' ')).to.include(name);
      workspace.write('paths.txt', `${[root, ...paths, workspace.path('.batchctl/work/logs')].join('\n')}\n`);
      const id = await workspace.submit();
      await until('it is done', async () => (await workspace.run(['status', id])).stdout.includes('succeeded'));
      const { outputs } = await factsOf(await workspace.platform(), id);
      const passed = (outputs.try?.[0] ?? '').trim().split('\n');
      // Its own path, which the user may pass but not list. Also proves that the test can tell the difference.
      const scratch = paths.find((path) => path.endsWith('/slot-0.fifo'))?.replace('/slot-0.fifo', '');
      // The slot of a task that ran during the listing is also its own.
      expect(passed.filter((line) => !line.includes(`${scratch}/0`))).to.have.members([
        `pass ${root}`,
        `pass ${root}/work`,
        `pass ${scratch}`,
        'read own',
      ]);
      const doctor = await workspace.run(['doctor']);
      expect(doctor.stdout).to.match(/^pass {2}rootMode +others can pass through/m);
    });
  });

  function ways(scripts: Readonly<Record<string, string>>) {
    workspace.write('ways.txt', `${Object.keys(scripts).join('\n')}\n`);
    const cases = Object.entries(scripts).map(([name, script]) => `${name}) ${script};;`);
    return {
      steps: [{ name: 'take', attempts: 1, output: 'file', run: `read way; case $way in ${cases.join(' ')} esac` }],
    };
  }
});

/** Reports which of the paths in its input it can read, write or pass through. */
const TRY_ALL = `echo own >own; ( : <own ) && echo read own
while read -r path; do
  if [ -d "$path" ]; then
    ls "$path" >/dev/null 2>&1 && echo "list $path"
    ( : >"$path/new" ) 2>/dev/null && echo "write $path"
    ( cd "$path" ) 2>/dev/null && echo "pass $path"
  else
    ( : <"$path" ) 2>/dev/null && echo "read $path"
    ( : >>"$path" ) 2>/dev/null && echo "append $path"
  fi
done; true`;

/** Sets the umask, which processes inherit, for a while. */
async function withUmask(mask: number, act: () => Promise<void>): Promise<void> {
  const before = process.umask(mask);
  try {
    await act();
  } finally {
    process.umask(before);
  }
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
