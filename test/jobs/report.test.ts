// Protects: the report shows truthfully what a job did, how long it took, and whether it got worse.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import type { ComparedReport, Report } from '../../src/model/answers/report.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

/** Task 3 fails for good, task 5 fails once, task 7 is killed with its worker, and task 9 takes long. */
const PRICE = `
n=$BATCHCTL_TASK
echo "records 2" >> $BATCHCTL_COUNTERS
if [ $n = 3 ]; then echo "no rate for row 3 of /data/3.csv" >&2; exit 3; fi
if [ $n = 5 ] && [ ! -e $PLACE/tried ]; then touch $PLACE/tried; echo "=busy" >&2; exit 75; fi
if [ $n = 7 ] && [ ! -e $PLACE/begun ]; then touch $PLACE/begun; sleep 60; fi
if [ $n = 9 ]; then sleep 0.8; fi
cat
`;

const jobIn = (place: string) => ({
  name: 'claims',
  input: { from: 'rows.txt', split: { by: 'lines', every: 2 } },
  steps: [
    { name: 'price', run: ['bash', '-c', PRICE], attempts: 2, env: { PLACE: place } },
    { name: 'audit', run: ['cat'] },
    { name: 'totals', run: 'wc -l', gather: true },
  ],
  tolerate: 1,
  expect: ['price.records == input.records'],
});

async function reportOf(workspace: Workspace, ...words: readonly string[]): Promise<ComparedReport> {
  const { code, stdout, stderr } = await workspace.run(['report', ...words, '--json']);
  if (code !== 0) throw new Error(`report exited with ${code}: ${stderr}`);
  return JSON.parse(stdout) as ComparedReport;
}

describe('the report', () => {
  // A lease that a busy machine can keep: the killed worker's has to expire.
  const workspace = forSuite(() => new Workspace(undefined, 6));
  let id: string;
  let earlier: string;

  const report = (...words: readonly string[]) => reportOf(workspace, ...words);
  const stepOf = (found: Report, name: string) => found.steps.find((step) => step.name === name);

  before(async () => {
    workspace.write('rows.txt', Array.from({ length: 40 }, (_, n) => `${n}\n`).join(''));
    workspace.write('job.json', jobIn(workspace.dir));
    workspace.write('tried', '');
    workspace.write('begun', '');
    earlier = await workspace.submit();
    await workspace.work();
    for (const name of ['tried', 'begun']) rmSync(workspace.path(name));
    id = await workspace.submit('--run-key', 'month-end-2026-11');
    const killed = workspace.start(['worker', '--until-empty', '--slots', '2']);
    await until('the seventh task began', () => existsSync(workspace.path('begun')));
    const ledger = await (await workspace.platform()).ledger();
    const running = { limit: 20, states: ['running'] as const };
    // Of that attempt: the worker runs another task as well.
    await until('the ledger has its event', async () =>
      (await ledger.tasks(id, running)).some(({ task }) => task === 7),
    );
    killed.child.kill('SIGKILL');
    await killed.ended;
    await workspace.work();
  });

  it('shows what ran, how it ended and what each step did', async () => {
    const found = await report();
    expect(found).to.include({ job: id, name: 'claims', runKey: 'month-end-2026-11', parts: 20, exact: true });
    expect(found).to.include({ state: 'failed', reason: 'expect', proof: null, cost: null, compared: null });
    expect(stepOf(found, 'price')).to.deep.include({ tasks: 20, done: 19, failed: 1, retried: 2 });
    expect(stepOf(found, 'price')?.counters).to.deep.equal({ records: '38' });
    expect(stepOf(found, 'audit')).to.include({ tasks: 20, done: 19, failed: 0, interrupted: 0 });
    expect(stepOf(found, 'totals')).to.include({ gather: true, tasks: 1, done: 1 });
    expect(found.totals).to.include({ tasks: 41, done: 39, failed: 1, retried: 2 });
    const { startedAt, endedAt, closedAt, createdAt, seconds } = found;
    const order = [createdAt, startedAt, endedAt, closedAt].map((when) => Date.parse(when ?? ''));
    expect(order).to.deep.equal([...order].sort((a, b) => a - b));
    expect(Math.round(seconds * 1_000)).to.equal((order[3] ?? 0) - (order[0] ?? 0));
    const took = stepOf(found, 'price')?.seconds ?? 0;
    expect(took * 1_000).to.be.within(1, (order[2] ?? 0) - (order[1] ?? 0));
  });

  it('counts the attempt that was killed with its worker as interrupted, not as failed', async () => {
    const found = await report(id);
    expect(stepOf(found, 'price')?.interrupted).to.be.within(1, 2);
    const gone = found.workers.filter(({ interrupted }) => interrupted > 0);
    expect(gone).to.have.length(1);
    const bars = found.timeline.rows.flatMap(({ bars: all }) => all);
    expect(bars.filter(({ task, outcome }) => task === 'price/7' && outcome === 'interrupted')).to.have.length(1);
    expect(bars.filter(({ task, outcome }) => task === 'price/7' && outcome === 'done')).to.have.length(1);
    expect(found.totals.lostSeconds).to.be.above(0);
  });

  it('names causes with an example and its log, and the slowest tasks with their logs', async () => {
    const found = await report(id);
    const cause = found.causes.find(({ exitCode }) => exitCode === 3);
    expect(cause).to.deep.include({ step: 'price', attempts: 2, forGood: 1, reason: 'exit' });
    expect(cause?.error).to.match(/^no rate for row <n> of <path>$/);
    expect(cause?.example.task).to.equal('price/3');
    const store = (await workspace.platform()).store;
    const log = await store.read(cause?.example.log ?? '');
    expect(Buffer.from(log ?? []).toString()).to.include('no rate for row 3');
    const slow = found.slowest.find(({ task }) => task === 'price/9');
    expect(slow?.seconds).to.be.above(0.8);
    expect(slow?.times).to.be.above(1);
  });

  it('measures durations and waits of the successful attempts, throughput and the slots used', async () => {
    const found = await report(id);
    const price = stepOf(found, 'price');
    expect(price?.duration).to.include({ count: 19 });
    expect(price?.duration?.max).to.be.above(0.8);
    expect(price?.wait?.count).to.be.within(18, 20);
    expect(stepOf(found, 'audit')?.wait?.count).to.equal(19);
    const sum = (of: (bin: Report['throughput']['bins'][number]) => number): number =>
      found.throughput.bins.reduce((total, bin) => total + of(bin), 0);
    const sums = [sum(({ done }) => done), sum(({ retried }) => retried), sum(({ failed }) => failed)];
    expect(sums).to.deep.equal([39, 2, 1]);
    const { utilisation, usefulSeconds, slotSeconds } = found.totals;
    expect(usefulSeconds).to.be.above(0.8);
    // How long the slots were there depends on the machine.
    expect(utilisation).to.be.within(usefulSeconds / slotSeconds - 0.001, 1);
    expect(found.workers).to.have.length(2);
    expect(found.expectations[0]).to.include({ ok: false, left: '38', right: '40' });
  });

  it('fits the width of a terminal, and shows failures, slow tasks and broken control totals', async () => {
    const { code, stdout, stderr } = await workspace.run(['report']);
    expect([code, stderr]).to.deep.equal([0, `job ${id}\n`]);
    expect(stdout).to.match(
      new RegExp(`^${id}: failed \\(expect\\), run key month-end-2026-11\n39 of 41 tasks done, 1 failed`),
    );
    for (const text of ['P95', 'no rate for row <n>', 'price/9', 'records 38', 'does not hold: price.records']) {
      expect(stdout).to.include(text);
    }
  });

  it('writes the attempts as CSV, one per line, with a column per counter and no formula', async () => {
    const { stdout } = await workspace.run(['report', id, '--format', 'csv']);
    const lines = stdout.split('\r\n');
    expect(lines.pop()).to.equal('');
    expect(lines[0]).to.match(/^job,step,task,round,number,attempt,outcome,.*,counter:records$/);
    const { attempts } = (await report(id)).totals;
    expect(lines.length - 1).to.equal(attempts);
    expect(lines.filter((line) => line.includes(",'=busy,"))).to.have.length(1);
    expect(lines.filter((line) => line.startsWith(`${id},price,`) && line.endsWith(',2'))).to.have.length(19);
  });

  it('writes a complete file or none', async () => {
    const written = await workspace.run(['report', id, '--format', 'html', '-o', 'report.html', '--json']);
    expect(written.code).to.equal(0);
    expect(readFileSync(workspace.path('report.html'), 'utf8')).to.match(/^<!doctype html>[\s\S]*<\/html>\s*$/i);
    expect((JSON.parse(written.stdout) as Report).job).to.equal(id);
    const missing = await workspace.run(['report', id, '-o', 'nowhere/report.txt']);
    expect(missing.code).to.equal(2);
    expect(missing.stderr).to.include('nowhere/report.txt');
    expect(readdirSync(workspace.dir).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
  });

  it('compares with the finished job of its name before it, and exits with 11 if it got worse', async () => {
    const { compared } = await report(id, '--compare', 'last');
    expect(compared).to.include({ job: earlier, perTask: false, regress: null });
    expect(compared?.regressions).to.deep.equal([]);
    const retried = compared?.figures.find(({ code }) => code === 'retried');
    expect(retried).to.include({ before: 1, now: 2, change: 1, better: 'less', matters: true });
    const worse = await workspace.run(['report', id, '--compare', earlier, '--regress', '20%']);
    expect(worse.code).to.equal(11);
    expect(worse.stderr).to.include('retried: 1 before, 2 now (+100%)');
    expect(worse.stdout).to.include(`compared with ${earlier}`);
  });

  it('refuses flags that make no sense, and explains why', async () => {
    for (const [args, code, message] of [
      [['--regress', '20%'], 2, '--regress requires --compare'],
      [['--compare', 'last', '--regress', 'much'], 2, 'such as 20%'],
      [['--compare', id], 2, 'itself'],
      [[earlier, '--compare', 'last'], 4, 'no finished job named "claims" before'],
      [['--format', 'csv', '--compare', 'last'], 2, "can't be combined with csv"],
      [['--format', 'csv', '--json'], 2, 'found both'],
      [['no-such-job'], 4, 'no-such-job'],
    ] as const) {
      const ended = await workspace.run(['report', ...args]);
      expect(ended.code, args.join(' ')).to.equal(code);
      expect(ended.stderr, args.join(' ')).to.include(message);
    }
  });
});

describe('the report of a job that is still open', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('rows.txt', '1\n2\n');
    workspace.write('job.json', {
      name: 'claims',
      input: { from: 'rows.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'price', run: 'cat; echo records 1 >> $BATCHCTL_COUNTERS' }],
      expect: ['price.records == input.records'],
    });
  });

  it('shows what did not begin as unknown, not as zero', async () => {
    await workspace.submit();
    const found = await reportOf(workspace);
    expect(found).to.include({ state: 'running', startedAt: null, endedAt: null, closedAt: null, exact: false });
    expect(found.steps[0]).to.deep.include({ tasks: 2, done: 0, duration: null, wait: null, cpuSeconds: null });
    expect(found.totals).to.include({ utilisation: null, rate: null, attempts: 0 });
    expect(found.expectations[0]?.ok).to.equal(null);
    expect((await workspace.run(['report'])).code).to.equal(0);
  });

  it('reports that the ledger was lost, and the command that rebuilds it', async () => {
    const id = await workspace.submit();
    await workspace.work();
    for (const name of readdirSync(workspace.path('.batchctl')))
      if (name.startsWith('ledger.db')) rmSync(workspace.path('.batchctl', name));
    const lost = await workspace.run(['report', id]);
    expect(lost.code).to.equal(0);
    expect(lost.stdout).to.include('has no attempts of this job').and.include(`batchctl verify ${id} --repair`);
    await workspace.run(['verify', id, '--repair']);
    const found = await reportOf(workspace, id);
    expect(found.steps[0]).to.include({ done: 2, wait: null });
    expect(found).to.include({ exact: true });
    expect(found.proof).to.deep.include({ key: `jobs/${id}/proofs/0000.json`, deep: false });
  });
});
