// Protects: rehearse tries a job on a sample, survives the faults it injects, and leaves real jobs alone.
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { readJob } from '../../src/jobs/journal.ts';
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

interface Range {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}
interface Answer {
  readonly job: string;
  readonly state: string;
  readonly parts: number;
  readonly of: { readonly parts: number; readonly records: number };
  readonly steps: readonly { readonly name: string; readonly done: number; readonly failed: number }[];
  readonly faults: { readonly asked: readonly string[]; readonly seed: number } & Readonly<
    Record<'kill' | 'duplicate' | 'fail' | 'slowDisk', number>
  >;
  readonly mended: readonly string[];
  readonly verdict: string | null;
  readonly kept: boolean;
  readonly forecast: {
    readonly seconds: Range;
    readonly tasks: Range;
    readonly bytesOut: Range;
    readonly runs: number;
  } | null;
}

describe('batchctl rehearse', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  const claimsOf = (parts: number): void => {
    const lines = Array.from({ length: parts * 5 }, (_, n) => `${n},${n * 3}\n`);
    here.write('claims.csv', `id,amount\n${lines.join('')}`);
  };
  beforeEach(() => {
    claimsOf(PARTS);
    here.write('job.json', JOB);
  });

  const rehearse = async (...flags: readonly string[]): Promise<Answer & { readonly ended: Ended }> => {
    const ended = await here.run(['rehearse', 'job.json', '--json', '--slots', '2', ...flags]);
    if (ended.stdout === '') throw new Error(`rehearse exited with ${ended.code}: ${ended.stderr}`);
    return { ...(JSON.parse(ended.stdout) as Answer), ended };
  };

  it('runs a sample of the job, proves it, and leaves nothing but its record', async () => {
    const { ended, ...made } = await rehearse('--sample', '10');
    expect(ended.code).to.equal(0);
    expect(made).to.deep.include({ state: 'succeeded', parts: 10, verdict: 'proven', kept: false });
    expect(made.of).to.include({ parts: PARTS, records: PARTS * 5 });
    expect(made.steps.map(({ name, done }) => [name, done])).to.deep.equal([
      ['price', 10],
      ['check', 10],
      ['totals', 1],
    ]);
    expect(made.forecast?.tasks).to.deep.equal({ low: 121, expected: 121, high: 121 });
    const { store, queue } = await here.platform();
    const group = (await readJob(store, made.job))?.spec.steps[0]?.group ?? '';
    expect(await (await queue(group)).backlog()).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
    const left: string[] = [];
    for await (const { key } of store.list(`jobs/${made.job}/`)) left.push(key.split('/')[2] ?? '');
    expect(new Set(left)).to.deep.equal(new Set(['job.json', 'journal', 'proofs', 'pruned.json', 'steps']));
    expect(readdirSync(here.path('.batchctl', 'work'))).to.deep.equal([]);
  });

  it('injects each requested fault, and the sample survives them', async () => {
    const { ended, faults, ...made } = await rehearse('--sample', '20', '--faults');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(made).to.deep.include({ state: 'succeeded', verdict: 'proven' });
    expect(faults.asked).to.deep.equal(['kill', 'duplicate', 'fail:5%', 'slow-disk']);
    expect(faults.kill).to.equal(1);
    expect(faults.duplicate).to.be.at.least(40);
    expect(faults.fail).to.be.at.least(1);
    expect(faults.slowDisk).to.be.at.least(40);
    const platform = await here.platform();
    const workers = await (await platform.ledger()).workers({});
    expect(workers.length, 'a killed worker was followed by another').to.equal(2);
    const { rehearsal } = (await readJob(platform.store, made.job)) ?? {};
    expect(rehearsal).to.deep.include({ faults: faults.asked, seed: faults.seed });
  });

  it('fails the same attempts for the same seed, and retries tasks that failed only because of its faults', async () => {
    here.write('job.json', { ...JOB, steps: JOB.steps.map((step) => ({ ...step, attempts: 1 })) });
    const first = await rehearse('--sample', '10', '--faults=fail:30%', '--seed', '7');
    expect(first.ended.code, first.ended.stderr).to.equal(0);
    expect(first.mended).to.not.be.empty;
    expect(first).to.deep.include({ state: 'succeeded', verdict: 'proven' });
    const second = await rehearse('--sample', '10', '--faults=fail:30%', '--seed', '7');
    expect(second.mended).to.deep.equal(first.mended);
  });

  it('exits like the sample, and keeps a sample that failed without its faults', async () => {
    const [price, ...others] = JOB.steps;
    here.write('job.json', { ...JOB, steps: [{ ...price, run: 'exit 3', attempts: 1 }, ...others] });
    const { ended, ...made } = await rehearse('--sample', '3', '--faults=fail:5%');
    expect(ended.code).to.equal(5);
    expect(made).to.deep.include({ state: 'failed', verdict: null, forecast: null, kept: true, mended: [] });
    const failures = await here.run(['failures', made.job, '--json']);
    expect(failures.stdout).to.match(/"step":"price","exitCode":3/);
  });

  it('affects no real job, and is never taken for one', async () => {
    const parts = 12;
    claimsOf(parts);
    const real = await here.submit();
    const { job } = await rehearse('--sample', '5', '--faults=kill,duplicate', '--keep');
    const status = async (...words: readonly string[]): Promise<Record<string, unknown>> =>
      JSON.parse((await here.run(['status', '--json', ...words])).stdout) as Record<string, unknown>;
    expect(await status('last')).to.deep.include({ job: real, rehearsal: null, state: 'running' });
    expect(await status(job)).to.deep.include({ job, rehearsal: { parts: 5, of: parts } });
    expect((await here.run(['status', job])).stdout).to.include('a rehearsal: 5 of 12 parts');
    expect((await here.run(['report', job])).stdout).to.include('a rehearsal: 5 of 12 parts');
    expect((await here.run(['verify', job])).stdout).to.include('a rehearsal: 5 of 12 parts');
    expect((await here.run(['jobs'])).stdout).to.match(new RegExp(`${job} +succeeded, a rehearsal`));
    const evidence = here.path('evidence.ndjson');
    await here.run(['verify', job, '-o', evidence]);
    expect((await here.run(['verify', '--check', evidence])).code).to.equal(0);
    await here.work();
    expect(await status('last')).to.deep.include({ job: real, state: 'succeeded' });
    const run = await (await here.platform()).ledger();
    expect((await run.counts(real)).map(({ done, retried }) => [done, retried])).to.deep.equal([
      [parts, 0],
      [parts, 0],
      [1, 0],
    ]);
  });

  it('claims no run key', async () => {
    await rehearse('--sample', '2', '--run-key', 'month-end');
    const { code, stdout } = await here.run(['submit', 'job.json', '--json', '--run-key', 'month-end']);
    expect([code, (JSON.parse(stdout) as { created: boolean }).created]).to.deep.equal([0, true]);
  });

  it('finds bad input in parts that are not in the sample', async () => {
    here.write('claims.csv', `id,amount\n${'1,2\n'.repeat(200)}3,"never closed\n`);
    const { code } = await here.run(['rehearse', 'job.json', '--sample', '1']);
    expect(code).to.equal(3);
  });

  it('samples pieces of a compressed input, and removes the others', async () => {
    const { gzipSync } = await import('node:zlib');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(here.path('claims.csv.gz'), gzipSync(`id,amount\n${'1,2\n'.repeat(300)}`));
    const { job, verdict, parts } = await rehearse('--sample', '4', '--keep', '--input', 'claims.csv.gz');
    expect([verdict, parts]).to.deep.equal(['proven', 4]);
    const pieces: string[] = [];
    for await (const { key } of (await here.platform()).store.list(`jobs/${job}/pieces/`)) pieces.push(key);
    expect(pieces.length).to.equal(4);
  });

  it('forecasts the steps after an explode from what its sample exploded into', async () => {
    here.write('job.json', {
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
    here.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 30' }] });
    const running = here.start(['rehearse', 'job.json', '--sample', '2', '--faults=duplicate']);
    await until('it is submitted', () => running.said().includes('rehearsal claims-'));
    const [, job = ''] = /rehearsal (claims-\S+):/.exec(running.said()) ?? [];
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    here.write('job.json', JOB);
    const { ended } = await rehearse('--sample', '2');
    expect(ended.stderr).to.include(`removed ${job}`);
    const { stdout } = await here.run(['status', job, '--json']);
    expect(JSON.parse(stdout)).to.deep.include({ state: 'cancelled' });
  });

  it('ends at its timeout, says so, and leaves no job open', async () => {
    here.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 30' }] });
    const { code, stderr } = await here.run(['rehearse', 'job.json', '--sample', '2', '--timeout', '1s']);
    expect([code, stderr.includes('rehearse again')], stderr).to.deep.equal([6, true]);
    const { stdout } = await here.run(['jobs', '--json']);
    expect(JSON.parse(stdout)).to.deep.include({ state: 'cancelled', rehearsal: true, pruned: true });
  });

  it('lists the available faults', async () => {
    const { code, stderr } = await here.run(['rehearse', '--faults', 'job.json', 'job.json']);
    expect([code, stderr.includes('kill, duplicate, fail:5% and slow-disk')]).to.deep.equal([2, true]);
  });
});

describe('batchctl plan for a job that ran before', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    here.write('claims.csv', `id,amount\n${'1,2\n'.repeat(50)}`);
    here.write('job.json', { ...JOB, steps: [{ name: 'price', run: 'sleep 0.6; cat' }], expect: [] });
  });

  const plan = async (): Promise<{ readonly forecast: Answer['forecast']; readonly requests: unknown }> =>
    JSON.parse((await here.run(['plan', 'job.json', '--json'])).stdout);

  it('has no estimate at first, and then says how long it will take', async () => {
    expect((await here.run(['plan', 'job.json'])).stdout).to.include('batchctl rehearse job.json');
    const { stdout } = await here.run(['rehearse', 'job.json', '--json', '--sample', '6', '--slots', '2', '--keep']);
    const rehearsed = (JSON.parse(stdout) as Answer).forecast;
    expect((await plan()).forecast, "a rehearsal doesn't count as history").to.equal(null);
    const began = performance.now();
    expect((await here.run(['run', 'job.json', '--slots', '2', '--quiet'])).code).to.equal(0);
    const took = (performance.now() - began) / 1_000;
    expect(rehearsed?.seconds.expected, `it took ${took} s`).to.be.within(took / 4, took * 2.5);
    const { forecast, requests } = await plan();
    expect(forecast).to.deep.include({ runs: 1 });
    expect(forecast?.tasks.expected).to.equal(10);
    expect(forecast?.bytesOut.expected).to.be.closeTo(10 * (10 + 5 * 4), 1);
    expect(requests).to.deep.equal({ store: 61, queue: 20, cost: null });
    const slots = forecast === null ? 0 : Reflect.get(forecast, 'slots');
    expect((forecast?.seconds.expected ?? 0) * (Number(slots) / 2)).to.be.within(took / 5, took * 3);
    expect((await here.run(['plan', 'job.json'])).stdout).to.match(/estimate: .*, from 1 earlier run; /);
  });
});
