// Protects: reproduce gives a developer the exact input, files and command of a task, and writes no secret to disk.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readCorrectedFile } from '../../src/jobs/change/corrected-file.ts';
import { retry } from '../../src/jobs/change/retry.ts';
import { append, requireView } from '../../src/jobs/journal.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { parseTaskName } from '../../src/jobs/tasks.ts';
import type { Failure } from '../../src/model/failure.ts';
import { roundTriesPrefix } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { type ReproducedTask, reproduce } from '../../src/worker/reproduce.ts';
import {
  matchesRecord,
  type ReproducedRun,
  readTaskRecord,
  runReproduced,
  type TaskRecord,
} from '../../src/worker/reproduce-run.ts';
import { SecretReader } from '../../src/worker/secrets.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';

const CSV = 'id,rate\n1,3\n2,x\n3,5\n';
const PRICE = `import { appendFileSync, readFileSync } from 'node:fs';
const rows = readFileSync(0, 'utf8').trim().split('\\n').slice(1);
appendFileSync(process.env.BATCHCTL_COUNTERS, \`rows \${rows.length}\\n\`);
for (const row of rows) {
  if (row.endsWith('x')) { console.error(\`row \${row.split(',')[0]} has no rate\`); process.exit(3); }
  console.log(row);
}
`;
const JOB = `
name: claims
files: [price.mjs]
input: { from: a.csv, split: { by: csv, every: 1, header: true } }
tolerate: 1
steps:
  - { name: price, run: [node, price.mjs], attempts: 1 }
  - { name: check, run: "tr , ' ' | tee /dev/stderr" }
  - { name: totals, gather: true, run: [cat] }
`;
const NEVER = new AbortController().signal;

describe('reproduce', () => {
  const place = forEachTest(openPlace);

  const at = (name: string): string => join(place.directory, name);
  const text = (reproduced: ReproducedTask, name: string): string =>
    readFileSync(join(reproduced.directory, name), 'utf8');
  const files = (directory: string): readonly string[] => readdirSync(directory).sort();

  /** Submits a job, and works until it ends. */
  async function workOn(job: object | string, inputs: Readonly<Record<string, string>> = {}): Promise<JobView> {
    const view = await submitJob(place, typeof job === 'string' ? job : JSON.stringify(job), inputs);
    await work(place.platform);
    return requireView(place.platform.store, view.record.job);
  }

  const claims = (): Promise<JobView> => {
    writeFileSync(at('price.mjs'), PRICE);
    return workOn(JOB, { 'a.csv': CSV });
  };

  function reproduceTask(view: JobView, task: string, directory = at('here')): Promise<ReproducedTask> {
    return reproduce(place.platform, view, { task: parseTaskName(view, task), directory, signal: NEVER });
  }

  async function runTask(
    reproduced: ReproducedTask,
  ): Promise<ReproducedRun & { recorded: TaskRecord; same: boolean | null }> {
    const run = await runReproduced(reproduced, new SecretReader({ source: null }), NEVER);
    const recorded = await readTaskRecord(place.platform.store, reproduced.task);
    return { ...run, recorded, same: matchesRecord(reproduced.task.message.step, recorded, run.failure) };
  }

  it('creates the exact input, the files and a script, whose run fails as the task did', async () => {
    const reproduced = await reproduceTask(await claims(), 'price/1');
    expect(files(reproduced.directory)).to.deep.equal(['env', 'input', 'run.sh', 'work']);
    expect(text(reproduced, 'input')).to.equal('id,rate\n2,x\n');
    expect(text(reproduced, 'work/price.mjs')).to.equal(PRICE);
    const { failure, recorded, same, tail } = await runTask(reproduced);
    expect(failure).to.deep.equal({ reason: 'exit', exitCode: 3, error: 'row 2 has no rate' });
    expect(recorded).to.have.nested.property('failure.error', 'row 2 has no rate');
    expect([recorded.state, same]).to.deep.equal(['failed', true]);
    expect(tail).to.deep.equal(['row 2 has no rate']);
    expect(text(reproduced, 'counters')).to.equal('rows 1\n');
  });

  it('succeeds once the program is fixed, and says that this differs from the record', async () => {
    const reproduced = await reproduceTask(await claims(), 'price/1');
    writeFileSync(join(reproduced.directory, 'work/price.mjs'), PRICE.replace("endsWith('x')", "endsWith('y')"));
    const { failure, same } = await runTask(reproduced);
    expect([failure, same]).to.deep.equal([null, false]);
    expect(text(reproduced, 'output')).to.equal('2,x\n');
  });

  it('can be moved, and run by hand from anywhere', async () => {
    const original = await reproduceTask(await claims(), 'price/0');
    const reproduced = { ...original, directory: at("a dir's") };
    renameSync(original.directory, reproduced.directory);
    const { status, stdout, stderr } = spawnSync(join(reproduced.directory, 'run.sh'), { cwd: '/', encoding: 'utf8' });
    expect([status, stdout, stderr]).to.deep.equal([0, 'exit code 0\n', '']);
    expect(text(reproduced, 'output')).to.equal('1,3\n');
  });

  it('runs a command with paths of its input and output from where the directory is now', async () => {
    const run = ['sh', '-c', 'cat "$1" >"$2"; test "$2" = "$BATCHCTL_OUTPUT"', 'sh', '{input}', '{output}'];
    const job = { name: 'films', input: { from: 'a.mp4' }, steps: [{ name: 'map', run, extension: '.mkv' }] };
    const original = await reproduceTask(await workOn(job, { 'a.mp4': 'film\n' }), 'map/0');
    const reproduced = { ...original, directory: at("it's moved") };
    renameSync(original.directory, reproduced.directory);
    expect(text(reproduced, 'input.mp4')).to.equal('film\n');
    for (const _ of [1, 2]) {
      const { failure, same } = await runTask(reproduced);
      expect([failure, same]).to.deep.equal([null, true]);
      expect(text(reproduced, 'output.mkv')).to.equal('film\n');
    }
  });

  it('fails as the task did if the command leaves its files where nothing reads them', async () => {
    for (const [name, step, why] of [
      ['stdout', { run: 'cat >result' }, 'left behind: result;'],
      ['file', { run: ['true', '{output}'] }, 'it wrote no file at {output}'],
      ['files', { run: 'cat >result', output: 'files' }, 'left behind: result;'],
    ] as const) {
      const job = { name, input: { from: 'a.csv' }, files: ['a.csv'], steps: [{ name: 'map', ...step }] };
      const reproduced = await reproduceTask(await workOn(job, { 'a.csv': CSV }), 'map/0', at(name));
      for (const _ of [1, 2]) {
        const { failure, recorded, same } = await runTask(reproduced);
        expect(failure).to.deep.include({ reason: 'no-output', exitCode: 0 });
        expect(failure?.error).to.include(why);
        expect([recorded.state, same]).to.deep.equal(['failed', true]);
      }
    }
    const none = {
      name: 'none',
      input: { from: 'a.csv' },
      steps: [{ name: 'map', run: 'tee result', output: 'none' }],
    };
    const reproduced = await reproduceTask(await workOn(none, { 'a.csv': CSV }), 'map/0', at('none'));
    expect(await runTask(reproduced)).to.include({ failure: null, same: true });
    expect(spawnSync(join(reproduced.directory, 'run.sh'), { encoding: 'utf8' }).stdout).to.equal('exit code 0\n');
  });

  it("uses the previous step's output, and a gather's joined ones", async () => {
    const view = await claims();
    const check = await reproduceTask(view, 'check/2', at('check'));
    expect(text(check, 'input')).to.equal('3,5\n');
    const { failure, same, tail } = await runTask(check);
    expect([failure, same, tail]).to.deep.equal([null, true, ['3 5']]);
    const totals = await reproduceTask(view, 'totals/0', at('totals'));
    expect(text(totals, 'input')).to.equal('1 3\n3 5\n');
    expect((await runTask(totals)).failure).to.equal(null);
    expect(text(totals, 'output')).to.equal('1 3\n3 5\n');
  });

  it('refuses a task whose input does not exist yet, and names the task that makes it', async () => {
    const view = await claims();
    expect((await failsWith('notFound', reproduceTask(view, 'check/1'))).message).to.contain("price/1 isn't done");
    const fresh = await submitJob(place, JOB.replace('claims', 'again'), {});
    await failsWith('notFound', reproduceTask(fresh, 'totals/0'));
    const { view: pruned } = await append(place.platform, view, () => ({ what: 'prune' }));
    expect((await failsWith('notFound', reproduceTask(pruned, 'price/0'))).message).to.include('was pruned');
    expect(existsSync(at('here'))).to.equal(false);
  });

  it('includes the changes of a retry: its parameters and timeout', async () => {
    const run = ['sh', '-c', 'echo $1 $BATCHCTL_PARAM_REGION $BATCHCTL_ROUND >&2; exit 3', 'sh', '{region}'];
    const job = rangeJob('claims', 2, { name: 'price', run, attempts: 1 });
    const view = await workOn({ ...job, params: { region: 'EU' } });
    const retried = await retry(place.platform, view, {
      tasks: [parseTaskName(view, 'price/0')],
      canaries: null,
      dryRun: false,
      overrides: { timeout: 90, params: { region: 'US' } },
    });
    const changed = await reproduceTask(retried.view, 'price/0', at('changed'));
    expect(changed.task.step.timeout).to.equal(90);
    expect(await runTask(changed)).to.deep.include({ tail: ['US US 1'], same: null, recorded: { state: 'none' } });
    expect(await runTask(await reproduceTask(retried.view, 'price/1'))).to.deep.include({
      tail: ['EU EU 0'],
      same: true,
    });
  });

  it("includes a retry's corrected files", async () => {
    const job = {
      ...rangeJob('fixed', 1, { name: 'price', run: ['sh', 'price.sh'], attempts: 1 }),
      files: ['price.sh'],
    };
    writeFileSync(at('price.sh'), 'exit 3\n');
    const view = await workOn(job);
    writeFileSync(at('price.sh'), 'cat\n');
    const corrected = parseJobFile(JSON.stringify(job), { file: 'job.yaml' });
    const correction = await readCorrectedFile(corrected, place.directory);
    const retried = await retry(place.platform, view, { correction });
    const reproduced = await reproduceTask(retried.view, 'price/0');
    expect(text(reproduced, 'work/price.sh')).to.equal('cat\n');
    expect((await runTask(reproduced)).failure).to.equal(null);
  });

  it("has the variables and secrets of its group in the profile, also those that it would inherit from a worker's", async () => {
    const step = { name: 'show', run: 'echo "$TEAM $TZ $LANG $TOKEN"', env: { TZ: 'Asia/Tokyo' } };
    const view = await workOn(rangeJob('group', 1, step));
    writeFileSync(at('key'), 'hunter2\n');
    const own = { env: { TEAM: 'ours', LANG: 'xx' }, secrets: { TOKEN: `file:${at('key')}` } };
    const commandSettings = (group: string) => (group === 'default' ? own : { env: {}, secrets: {} });
    const task = parseTaskName(view, 'show/0');
    const options = { task, directory: at('here'), signal: NEVER };
    const reproduced = await reproduce({ ...place.platform, commandSettings }, view, options);
    expect(reproduced.secrets).to.deep.equal(own.secrets);
    expect((await runTask(reproduced)).failure).to.equal(null);
    expect(text(reproduced, 'output')).to.equal('ours Asia/Tokyo xx hunter2\n');
  });

  it("has a deadline after the step's timeout, and a name and counters of this run alone", async () => {
    const run =
      'echo n 1 >> $BATCHCTL_COUNTERS; echo $(($(date -d $BATCHCTL_DEADLINE +%s) - $(date +%s))) $BATCHCTL_REPRODUCE';
    const step = { name: 'show', run, timeout: '100s' };
    const reproduced = await reproduceTask(await workOn(rangeJob('late', 1, step)), 'show/0');
    expect(text(reproduced, 'env')).not.to.match(/BATCHCTL_(WORKER_ID|ATTEMPT|DEADLINE)=/);
    for (const _ of [1, 2]) {
      expect((await runTask(reproduced)).failure).to.equal(null);
      expect(Number(text(reproduced, 'output'))).to.be.within(90, 100);
      expect(text(reproduced, 'counters')).to.equal('n 1\n');
    }
  });

  it('is for its owner alone: inputs may be confidential', async () => {
    const { directory } = await reproduceTask(await claims(), 'price/0');
    expect(statSync(directory).mode & 0o077).to.equal(0);
  });

  it('accepts an empty file that the command wrote, as a worker does', async () => {
    const step = { name: 'map', run: 'echo x > left; : > "$BATCHCTL_OUTPUT"', output: 'file' };
    expect(await runTask(await reproduceTask(await workOn(rangeJob('empty', 1, step)), 'map/0'))).to.include({
      failure: null,
      same: true,
    });
  });

  it('passes any argument and variable unchanged, and nothing of the surrounding shell', async () => {
    const show = `import { writeFileSync } from 'node:fs';
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(ODD|SECONDS|PWD|MY_OWN)/.test(name)));
writeFileSync(process.env.BATCHCTL_OUTPUT, JSON.stringify({ argv: process.argv.slice(2), env, cwd: process.cwd() }));
`;
    const odd = `it's "$HOME" \`id\` \\n *\nand a line`;
    const step = { name: 'show', run: ['node', 'show.mjs', odd, ''], output: 'file', env: { ODD: odd, SECONDS: odd } };
    writeFileSync(at('show.mjs'), show);
    const reproduced = await reproduceTask(
      await workOn({ ...rangeJob('odd', 1, step), files: ['show.mjs'] }),
      'show/0',
    );
    expect(text(reproduced, 'env'))
      .to.match(/^ODD=/m)
      .and.not.to.match(/^SECONDS=/m);
    const { status } = spawnSync(join(reproduced.directory, 'run.sh'), {
      env: { ...process.env, MY_OWN: 'x', ODD: 'y' },
    });
    expect(status).to.equal(0);
    const { argv, env, cwd } = JSON.parse(text(reproduced, 'output')) as { argv: string[]; env: object; cwd: string };
    expect(argv).to.deep.equal([odd, '']);
    expect(env).to.deep.equal({ ODD: odd, SECONDS: odd });
    expect(cwd).to.equal(join(reproduced.directory, 'work'));
  });

  it('writes no secret to disk, and reads it from where the step says', async () => {
    const step = {
      name: 'show',
      run: 'printf "%s|%s|" "$TOKEN" "$KEY"; echo "token $TOKEN" >&2',
      secrets: { TOKEN: 'env:REPRODUCE_TOKEN', KEY: `file:${at('key')}` },
    };
    writeFileSync(at('key'), 'line one\n\n');
    process.env.REPRODUCE_TOKEN = 'hunter2';
    try {
      const reproduced = await reproduceTask(await workOn(rangeJob('secret', 1, step)), 'show/0');
      for (const name of ['env', 'run.sh'])
        expect(text(reproduced, name)).to.not.contain('hunter2').and.not.contain('line one');
      expect((await runTask(reproduced)).tail).to.deep.equal(['token ****']);
      expect(text(reproduced, 'output')).to.equal('hunter2|line one\n|');
      const { REPRODUCE_TOKEN, ...without } = process.env;
      const { status, stderr } = spawnSync(join(reproduced.directory, 'run.sh'), { env: without, encoding: 'utf8' });
      expect([status, stderr]).to.deep.equal([3, "secret TOKEN: can't be read from env:REPRODUCE_TOKEN\n"]);
      expect(REPRODUCE_TOKEN).to.equal('hunter2');
    } finally {
      delete process.env.REPRODUCE_TOKEN;
    }
  });

  it("takes a service's secret from its environment, or reads it for a run", async () => {
    const step = { name: 'show', run: 'echo "$TOKEN"', secrets: { TOKEN: 'ssm:/token' } };
    const view = await submitJob(place, JSON.stringify(rangeJob('service', 1, step)), {});
    const reproduced = await reproduceTask(view, 'show/0');
    const reader = new SecretReader({ source: { read: async () => 'hunter2' } });
    expect((await runReproduced(reproduced, reader, NEVER)).failure).to.equal(null);
    expect(text(reproduced, 'output')).to.equal('hunter2\n');
    const byHand = (env: NodeJS.ProcessEnv) => {
      const { status, stderr } = spawnSync(join(reproduced.directory, 'run.sh'), { env, encoding: 'utf8' });
      return [status, stderr];
    };
    expect(byHand({ ...process.env, TOKEN: 'other' })).to.deep.equal([0, '']);
    expect(text(reproduced, 'output')).to.equal('other\n');
    const told = 'secret TOKEN: export TOKEN first, with the value of ssm:/token, or use batchctl reproduce --run\n';
    expect(byHand(process.env)).to.deep.equal([3, told]);
  });

  it('gives a command only its own names of secrets, and names a file that is gone', async () => {
    const secrets = {
      TOKEN: 'env:REPRODUCE_TOKEN',
      REPRODUCE_SAME: 'env:REPRODUCE_SAME',
      KEY: `file:${at('gone')}`,
    };
    const step = { name: 'show', run: 'env | grep REPRODUCE', secrets };
    const reproduced = await reproduceTask(
      await submitJob(place, JSON.stringify(rangeJob('own', 1, step)), {}),
      'show/0',
    );
    const env = { ...process.env, REPRODUCE_TOKEN: 'hunter2', REPRODUCE_SAME: 'x' };
    const run = () => spawnSync(join(reproduced.directory, 'run.sh'), { env, encoding: 'utf8' });
    const without = run();
    expect([without.status, without.stderr]).to.satisfy(
      ([status, said]: [number, string]) => status === 3 && said.includes(`can't be read from file:${at('gone')}`),
    );
    writeFileSync(at('gone'), 'x\n');
    expect(run().stdout).to.equal('exit code 0\n');
    expect(text(reproduced, 'output')).to.equal('REPRODUCE_SAME=x\n');
  });

  it('has an empty stdin if its input is a file', async () => {
    const step = { name: 'map', input: 'file', run: 'cat; cat "$BATCHCTL_INPUT"' };
    const view = await workOn({ name: 'file', input: { from: 'a.csv' }, steps: [step] }, { 'a.csv': CSV });
    const reproduced = await reproduceTask(view, 'map/0');
    expect(await runTask(reproduced)).to.include({ failure: null, same: true });
    expect(text(reproduced, 'output')).to.equal(CSV);
  });

  it('gives many files a directory, and starts each run with an empty one', async () => {
    const run = 'ls "$BATCHCTL_OUTPUT_DIR"; echo a > "$BATCHCTL_OUTPUT_DIR/a.txt"';
    const reproduced = await reproduceTask(
      await workOn(rangeJob('files', 1, { name: 'cut', run, output: 'files' })),
      'cut/0',
    );
    for (let times = 0; times < 2; times += 1) {
      expect((await runTask(reproduced)).failure).to.equal(null);
      expect(files(join(reproduced.directory, 'output'))).to.deep.equal(['a.txt']);
    }
  });

  it('masks secrets in the failure, and looks through no surrounding shell of another reproduced task', async () => {
    const run = 'echo "secret $TOKEN" >&2; printf "%s" "$MY_OWN" >"$BATCHCTL_OUTPUT"; exit 3';
    const step = { name: 'show', run, output: 'file', secrets: { TOKEN: 'env:REPRODUCE_TOKEN' } };
    const view = await submitJob(place, JSON.stringify(rangeJob('masked', 1, step)), {});
    const reproduced = await reproduceTask(view, 'show/0');
    Object.assign(process.env, { REPRODUCE_TOKEN: 'hunter2', MY_OWN: 'x', BATCHCTL_REPRODUCE: '1' });
    try {
      expect((await runTask(reproduced)).failure).to.deep.include({ reason: 'exit', error: 'secret ****' });
      expect(text(reproduced, 'output')).to.equal('');
    } finally {
      for (const name of ['REPRODUCE_TOKEN', 'MY_OWN', 'BATCHCTL_REPRODUCE']) delete process.env[name];
    }
  });

  it('compares with the latest failed attempt, as long as the task has not failed for good', async () => {
    const view = await submitJob(place, JSON.stringify(rangeJob('again', 1, { name: 'map', run: 'exit 3' })), {});
    const { task } = await reproduceTask(view, 'map/0');
    const { job, step, task: n, round } = task.message;
    const { store } = place.platform;
    for (const number of [1, 2]) {
      const failure = { format: 1, reason: 'exit', exitCode: number, error: `try ${number}`, number };
      await store.put(`${roundTriesPrefix(job, step, n, round)}${number}`, JSON.stringify(failure));
    }
    const recorded = await readTaskRecord(store, task);
    expect(recorded).to.have.nested.property('failure.error', 'try 2');
    expect(recorded.state).to.equal('failedAttempt');
  });

  it('does not take a command for stalled that writes only to its output file', async () => {
    const run = 'for n in 1 2 3 4 5 6 7 8 9 10; do echo $n >>"$BATCHCTL_OUTPUT"; sleep 0.5; done';
    const step = { name: 'write', run, output: 'file', stall: '4s' };
    const view = await submitJob(place, JSON.stringify(rangeJob('busy', 1, step)), {});
    expect((await runTask(await reproduceTask(view, 'write/0'))).failure).to.equal(null);
  });

  it('leaves another run at the same time alone when it ends what its own command left', async () => {
    const waits = `echo > ${at('begun')}; until [ -e ${at('go')} ]; do sleep 0.05; done; echo done`;
    const leaves = 'sleep 600 >/dev/null 2>&1 & echo done';
    writeFileSync(at('go'), '');
    const one = await reproduceTask(
      await workOn(rangeJob('one', 1, { name: 'wait', run: waits, timeout: '100s' })),
      'wait/0',
      at('1'),
    );
    const two = await reproduceTask(
      await workOn(rangeJob('two', 1, { name: 'leave', run: leaves })),
      'leave/0',
      at('2'),
    );
    for (const name of ['go', 'begun']) rmSync(at(name));
    const waiting = runTask(one);
    await until('the first run began', () => existsSync(at('begun')));
    expect((await runTask(two)).end.strays).to.be.above(0);
    writeFileSync(at('go'), '');
    expect(await waiting).to.include({ failure: null, same: true });
  });

  it("ends a command that runs longer than the step's timeout", async () => {
    const step = { name: 'wait', run: ['sleep', '600'], timeout: '1s', attempts: 1 };
    const { failure, same } = await runTask(await reproduceTask(await workOn(rangeJob('slow', 1, step)), 'wait/0'));
    expect(failure?.reason).to.equal('timeout');
    expect(same).to.equal(true);
  });

  it("ends a command that stalls for longer than the step's limit", async () => {
    const step = { name: 'wait', run: ['sleep', '600'], stall: '1s', attempts: 1 };
    const { failure, same } = await runTask(await reproduceTask(await workOn(rangeJob('still', 1, step)), 'wait/0'));
    expect([failure?.reason, same]).to.deep.equal(['stall', true]);
  });

  it('is no failure if the person ends it', async () => {
    const reproduced = await reproduceTask(await claims(), 'price/0');
    const run = runReproduced(reproduced, new SecretReader({ source: null }), AbortSignal.abort());
    expect(await rejection(run)).to.have.property('name', 'AbortError');
  });

  const failed = (reason: Failure['reason'], exitCode: number | null, error = 'x'): Failure => ({
    reason,
    exitCode,
    error,
  });
  const SAME: readonly (readonly [recorded: Failure | 'done' | null, here: Failure | null, same: boolean | null])[] = [
    [null, null, null],
    [null, failed('exit', 1), null],
    ['done', null, true],
    ['done', failed('exit', 1), false],
    [failed('exit', 1), null, false],
    [failed('exit', 3, 'row 2 has no rate'), failed('exit', 3, 'row 7 has no rate'), true],
    [failed('exit', 3, 'row 2 has no rate'), failed('exit', 3, 'no such file'), false],
    [failed('exit', 3), failed('exit', 4), false],
    [failed('timeout', 143), failed('timeout', 0, 'y'), true],
    [failed('timeout', 143), failed('exit', 143), false],
    [failed('stall', 143), failed('stall', 1, 'y'), true],
    [failed('stall', 143), failed('timeout', 143), false],
    [failed('signal', 139), failed('exit', 139, 'y'), true],
    [failed('memory', 137), failed('exit', 137, 'y'), true],
    [failed('memory', 137), failed('exit', 1, 'y'), false],
  ];
  it('compares its end with what is recorded: a shell shows a signal only as its exit code', () => {
    for (const [recorded, here, same] of SAME) {
      const record: TaskRecord =
        recorded === null
          ? { state: 'none' }
          : recorded === 'done'
            ? { state: 'done' }
            : { state: 'failed', failure: recorded };
      expect(matchesRecord('price', record, here), JSON.stringify([recorded, here])).to.equal(same);
    }
  });

  it('refuses a directory in use, and leaves nothing half made if an input has changed', async () => {
    const view = await claims();
    mkdirSync(at('here'));
    await reproduceTask(view, 'price/0');
    await failsWith('refused', reproduceTask(view, 'price/0'));
    await failsWith('refused', reproduceTask(view, 'price/0', at('a.csv')));
    appendFileSync(at('a.csv'), '4,5\n');
    const before = files(place.directory);
    await failsWith('changed', reproduceTask(view, 'price/2', at('other')));
    expect(files(place.directory)).to.deep.equal(before);
  });
});
