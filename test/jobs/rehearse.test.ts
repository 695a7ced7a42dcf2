// Protects: rehearse tries a job on a sample, survives the faults it injects, and leaves real jobs alone.
import { readdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { readJob, requireView } from '../../src/jobs/journal.ts';
import type { JobStatus } from '../../src/model/answers/status.ts';
import type { JobForecast } from '../../src/model/forecast/forecast.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const JOB = {
  name: 'claims',
  input: { from: 'claims.csv', split: { by: 'csv', every: 5, header: true } },
  steps: [
    {
      name: 'price',
      run: 'echo "$BATCHCTL_TASK" >> ../../../../ran; tail -n +2; echo records 5 >> "$BATCHCTL_COUNTERS"',
    },
    { name: 'check', run: ['cat'] },
    { name: 'totals', gather: true, run: 'wc -l' },
  ],
  expect: ['price.records == input.records'],
};
const PARTS = 60;

interface Answer {
  readonly job: string;
  readonly state: string;
  readonly parts: number;
  readonly of: { readonly parts: number; readonly records: number };
  readonly steps: JobStatus['steps'];
  readonly faults: { readonly asked: readonly string[]; readonly seed: number } & Readonly<
    Record<'kill' | 'duplicate' | 'fail' | 'slowDisk', number>
  >;
  readonly retried: readonly string[];
  readonly verdict: string | null;
  readonly kept: boolean;
  readonly forecast: JobForecast | null;
}

describe('batchctl rehearse', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const writeClaims = (parts: number): void => {
    const lines = Array.from({ length: parts * 5 }, (_, n) => `${n},${n * 3}\n`);
    workspace.write('claims.csv', `id,amount\n${lines.join('')}`);
  };
  beforeEach(() => {
    writeClaims(PARTS);
    workspace.write('job.json', JOB);
  });

  const rehearse = async (...flags: readonly string[]): Promise<Answer & { readonly ended: Ended }> => {
    const ended = await workspace.run(['rehearse', 'job.json', '--json', '--slots', '2', ...flags]);
    if (ended.stdout === '') throw new Error(`rehearse exited with ${ended.code}: ${ended.stderr}`);
    return { ...(JSON.parse(ended.stdout) as Answer), ended };
  };

  it('runs a sample of the job, proves it, and leaves only its record', async () => {
    const { ended, ...answer } = await rehearse('--sample', '10');
    expect(ended.code).to.equal(0);
    expect(answer).to.deep.include({ state: 'succeeded', parts: 10, verdict: 'proven', kept: false });
    expect(answer.of).to.include({ parts: PARTS, records: PARTS * 5 });
    expect(answer.steps.map(({ name, done }) => [name, done])).to.deep.equal([
      ['price', 10],
      ['check', 10],
      ['totals', 1],
    ]);
    expect(answer.forecast?.tasks).to.deep.equal({ low: 121, expected: 121, high: 121 });
    const { store, queue } = await workspace.platform();
    const group = (await readJob(store, answer.job))?.spec.steps[0]?.group ?? '';
    expect(await (await queue(group)).backlog()).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
    const left: string[] = [];
    for await (const { key } of store.list(`jobs/${answer.job}/`)) left.push(key.split('/')[2] ?? '');
    expect(new Set(left)).to.deep.equal(new Set(['job.json', 'journal', 'proofs', 'pruned.json', 'steps']));
    expect(readdirSync(workspace.path('.batchctl', 'work'))).to.deep.equal([]);
  });

  it('injects each requested fault, and the sample survives them', async () => {
    const { ended, faults, ...answer } = await rehearse('--sample', '20', '--faults');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(answer).to.deep.include({ state: 'succeeded', verdict: 'proven' });
    expect(faults.asked).to.deep.equal(['kill', 'duplicate', 'fail:5%', 'slow-disk']);
    expect(faults.kill).to.equal(1);
    expect(faults.duplicate).to.be.at.least(40);
    expect(faults.fail).to.be.at.least(1);
    expect(faults.slowDisk).to.be.at.least(40);
    const platform = await workspace.platform();
    const workers = await (await platform.ledger()).workers({});
    expect(workers.length, 'a killed worker was followed by another').to.equal(2);
    const { rehearsal } = (await readJob(platform.store, answer.job)) ?? {};
    expect(rehearsal).to.deep.include({ faults: faults.asked, seed: faults.seed });
  });

  it('fails the same attempts for the same seed, and retries tasks that failed only because of its faults', async () => {
    workspace.write('job.json', { ...JOB, steps: JOB.steps.map((step) => ({ ...step, attempts: 1 })) });
    const first = await rehearse('--sample', '10', '--faults=fail:30%', '--seed', '7');
    expect(first.ended.code, first.ended.stderr).to.equal(0);
    expect(first.retried).to.not.be.empty;
    expect(first).to.deep.include({ state: 'succeeded', verdict: 'proven' });
    const second = await rehearse('--sample', '10', '--faults=fail:30%', '--seed', '7');
    expect(second.retried).to.deep.equal(first.retried);
  });

  it('exits like the sample, and keeps a sample that failed without its faults', async () => {
    const [price, ...others] = JOB.steps;
    workspace.write('job.json', { ...JOB, steps: [{ ...price, run: 'exit 3', attempts: 1 }, ...others] });
    const { ended, ...answer } = await rehearse('--sample', '3', '--faults=fail:5%');
    expect(ended.code).to.equal(5);
    expect(answer).to.deep.include({ state: 'failed', verdict: null, forecast: null, kept: true, retried: [] });
    const failures = await workspace.run(['failures', answer.job, '--json']);
    expect(failures.stdout).to.match(/"step":"price","exitCode":3/);
  });

  it('affects no real job, and is shown as a rehearsal everywhere', async () => {
    const parts = 12;
    writeClaims(parts);
    const real = await workspace.submit();
    const { job } = await rehearse('--sample', '5', '--faults=kill,duplicate', '--keep');
    const status = async (name: string): Promise<JobStatus> =>
      JSON.parse((await workspace.run(['status', '--json', name])).stdout) as JobStatus;
    expect(await status('last')).to.deep.include({ job: real, rehearsal: null, state: 'running' });
    expect(await status(job)).to.deep.include({ job, rehearsal: { parts: 5, of: parts } });
    for (const verb of ['status', 'report', 'verify'])
      expect((await workspace.run([verb, job])).stdout, verb).to.include('a rehearsal: 5 of 12 parts');
    expect((await workspace.run(['jobs'])).stdout).to.match(new RegExp(`${job} +succeeded, a rehearsal`));
    const evidence = workspace.path('evidence.ndjson');
    await workspace.run(['verify', job, '-o', evidence]);
    expect((await workspace.run(['verify', '--check', evidence])).code).to.equal(0);
    await workspace.work();
    expect(await status('last')).to.deep.include({ job: real, state: 'succeeded' });
    const ledger = await (await workspace.platform()).ledger();
    expect((await ledger.counts(real)).map(({ done, retried }) => [done, retried])).to.deep.equal([
      [parts, 0],
      [parts, 0],
      [1, 0],
    ]);
  });

  it('claims no run key', async () => {
    await rehearse('--sample', '2', '--run-key', 'month-end');
    const { code, stdout } = await workspace.run(['submit', 'job.json', '--json', '--run-key', 'month-end']);
    expect([code, (JSON.parse(stdout) as { created: boolean }).created]).to.deep.equal([0, true]);
  });

  it('finds bad input in parts that are not in the sample', async () => {
    workspace.write('claims.csv', `id,amount\n${'1,2\n'.repeat(200)}3,"never closed\n`);
    const { code } = await workspace.run(['rehearse', 'job.json', '--sample', '1']);
    expect(code).to.equal(3);
  });

  it('samples pieces of a compressed input, and removes the others', async () => {
    writeFileSync(workspace.path('claims.csv.gz'), gzipSync(`id,amount\n${'1,2\n'.repeat(300)}`));
    const { job, verdict, parts } = await rehearse('--sample', '4', '--keep', '--input', 'claims.csv.gz');
    expect([verdict, parts]).to.deep.equal(['proven', 4]);
    const pieces: string[] = [];
    for await (const { key } of (await workspace.platform()).store.list(`jobs/${job}/pieces/`)) pieces.push(key);
    expect(pieces.length).to.equal(4);
  });

  it('forecasts the steps after an explode from the number of files in its sample', async () => {
    workspace.write('job.json', {
      name: 'words',
      input: { from: 'claims.csv', split: { by: 'lines', every: 10 } },
      steps: [
        { name: 'split', output: 'files', explode: true, run: 'cd "$BATCHCTL_OUTPUT_DIR" && echo a > a && echo b > b' },
        { name: 'count', run: ['cat'] },
      ],
    });
    const { forecast, steps } = await rehearse('--sample', '5');
    expect(steps.map(({ done }) => done)).to.deep.equal([5, 10]);
    expect(forecast?.tasks.expected).to.equal(31 + 62);
  });

  it('is removed by the next one after a kill', async () => {
    workspace.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 30' }] });
    const running = workspace.start(['rehearse', 'job.json', '--sample', '2', '--faults=duplicate']);
    await until('it is submitted', () => running.printed().includes('rehearsal claims-'));
    const [, job = ''] = /rehearsal (claims-\S+):/.exec(running.printed()) ?? [];
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    workspace.write('job.json', JOB);
    const { ended } = await rehearse('--sample', '2');
    expect(ended.stderr).to.include(`removed ${job}`);
    const { stdout } = await workspace.run(['status', job, '--json']);
    expect(JSON.parse(stdout)).to.deep.include({ state: 'cancelled' });
  });

  it('ends at its timeout with a message, and leaves no job open', async () => {
    workspace.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 30' }] });
    const { code, stderr } = await workspace.run(['rehearse', 'job.json', '--sample', '2', '--timeout', '1s']);
    expect([code, stderr.includes('rehearse again')], stderr).to.deep.equal([6, true]);
    const { stdout } = await workspace.run(['jobs', '--json']);
    expect(JSON.parse(stdout)).to.deep.include({ state: 'cancelled', rehearsal: true, pruned: true });
  });

  it('lists the available faults', async () => {
    const { code, stderr } = await workspace.run(['rehearse', '--faults', 'job.json', 'job.json']);
    expect([code, stderr.includes('kill, duplicate, fail:5% and slow-disk')]).to.deep.equal([2, true]);
  });
});

describe('batchctl plan for a job that ran before', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', slots: 2 } } });
    workspace.write('claims.csv', `id,amount\n${'1,2\n'.repeat(50)}`);
    workspace.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 0.6; cat' }], expect: [] });
  });

  const plan = async (): Promise<{ readonly forecast: JobForecast | null; readonly requests: unknown }> =>
    JSON.parse((await workspace.run(['plan', 'job.json', '--json'])).stdout);

  /** Expects the time of ten tasks on two slots, if each takes as long as the tasks of this job did. */
  async function expectForecast({ seconds }: JobForecast, job: string): Promise<void> {
    const { store, ledger } = await workspace.platform();
    const { record, closed } = await requireView(store, job);
    const attempts = await (await ledger()).attemptsOfJob(job, { limit: 100 });
    const durations = attempts.map(({ startedAt, endedAt }) => (endedAt ?? 0) - startedAt);
    const before = Math.min(...attempts.map(({ startedAt }) => startedAt)) - Date.parse(record.createdAt);
    const after = Date.parse(closed?.when ?? '') - Math.max(...attempts.map(({ endedAt }) => endedAt ?? 0));
    const least = (before + after + 5 * Math.min(...durations)) / 1_000;
    const most = (before + after + 5 * Math.max(...durations)) / 1_000;
    // The forecast varies by some percent, because runs differ from each other.
    expect(seconds.expected, durations.join(' ms, ')).to.be.within(least * 0.9, most * 1.1);
  }

  it('has no estimate at first, and then forecasts how long it will take', async () => {
    expect((await workspace.run(['plan', 'job.json'])).stdout).to.include('batchctl rehearse job.json');
    const { stdout } = await workspace.run(['rehearse', 'job.json', '--json', '--sample', '6', '--keep']);
    const rehearsal = JSON.parse(stdout) as Answer;
    await expectForecast(rehearsal.forecast ?? expect.fail('no forecast'), rehearsal.job);
    expect((await plan()).forecast, "a rehearsal doesn't count as history").to.equal(null);
    expect((await workspace.run(['run', 'job.json', '--quiet'])).code).to.equal(0);
    const { forecast, requests } = await plan();
    expect(forecast).to.deep.include({ runs: 1, slots: 2 });
    expect(forecast?.tasks.expected).to.equal(10);
    expect(forecast?.bytesOut.expected).to.be.closeTo(10 * (10 + 5 * 4), 1);
    expect(requests).to.deep.equal({ store: 61, queue: 20, cost: null });
    const status = JSON.parse((await workspace.run(['status', 'last', '--json'])).stdout) as { readonly job: string };
    await expectForecast(forecast ?? expect.fail('no forecast'), status.job);
    expect((await workspace.run(['plan', 'job.json'])).stdout).to.match(/estimate: .*, from 1 earlier run; /);
  });
});
