import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const JOB = {
  name: 'count',
  input: { split: { by: 'range', from: 1, to: 4 } },
  steps: [{ name: 'upper', run: 'sed s/^/n/' }],
  deliver: { to: 'results/{period}', name: 'n-{task}.txt' },
};
const FILES = [0, 1, 2, 3].map((n) => `n-00000000${n}.txt`);
const ALL = ['_SUCCESS', '_manifest.json', ...FILES];

describe('deliver to a directory', function () {
  this.timeout(60_000);
  let workspace: Workspace;
  let place: string;

  beforeEach(() => {
    workspace = new Workspace();
    workspace.write('job.json', JOB);
    place = workspace.path('results/2026-11');
  });
  afterEach(() => workspace.remove());

  const run = ['run', 'job.json', '--period', '2026-11', '--run-key', 'month-end-2026-11', '--json'];
  const files = (at = place): readonly string[] => (existsSync(at) ? readdirSync(at).sort() : []);
  const text = (name: string): string => readFileSync(`${place}/${name}`, 'utf8');
  const statusOf = async (...args: readonly string[]) =>
    JSON.parse((await workspace.run(['status', ...args, '--json'])).stdout);
  const history = async (): Promise<readonly string[]> => {
    const { stdout } = await workspace.run(['history', 'last', '--json']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).what);
  };

  it('puts the outputs of the last step there, a manifest, and the marker; and says so everywhere', async () => {
    const ran = await workspace.run(run);
    expect(ran.code, ran.stderr).to.equal(0);
    expect(files()).to.deep.equal(ALL);
    expect(text('n-000000002.txt')).to.equal('n3\n');
    expect(JSON.parse(text('_manifest.json'))).to.include({ name: 'count', step: 'upper', outputs: 4, bytes: 12 });
    const { delivery } = JSON.parse(ran.stdout);
    expect(delivery).to.include({ to: place, host: hostname(), state: 'delivered', failed: null });
    expect(delivery.delivered).to.include({ to: place, outputs: 4, bytes: 12 });
    expect((await workspace.run(['status', 'last'])).stdout).to.include(`delivered to ${place}`);
    expect((await workspace.run(['verify', 'last'])).stderr).to.include(`delivered to ${place}`);
    expect((await workspace.run(['history', 'last'])).stdout).to.include(`delivered 4 outputs to ${place}`);
    expect((await workspace.run(['verify', 'last', '-o', 'evidence'])).code).to.equal(0);
    const checked = await workspace.run(['verify', '--check', 'evidence']);
    expect(checked.code, checked.stderr).to.equal(0);
    const report = JSON.parse((await workspace.run(['report', 'last', '--format', 'json'])).stdout);
    expect(report.decisions.at(-1)).to.have.property('text', `delivered 4 outputs to ${place}`);
  });

  it('is done once, and its proof stands: the same run again changes nothing', async () => {
    expect((await workspace.run(run)).code).to.equal(0);
    writeFileSync(`${place}/n-000000000.txt`, 'moved on\n');
    const again = await workspace.run(run);
    expect(again.code, again.stderr).to.equal(0);
    expect(again.stderr).to.include('verified at');
    expect(text('n-000000000.txt')).to.equal('moved on\n');
    expect((await history()).filter((what) => what === 'delivered')).to.have.length(1);
  });

  for (const [kill, missing] of [
    ['place-file:1', '_manifest.json'],
    ['place-file:3', '_manifest.json'],
    ['place-manifest:1', '_manifest.json'],
    ['place-marker:1', '_SUCCESS'],
    ['delivered:1', null],
  ] as const) {
    it(`kill -9 at ${kill}: the same command delivers the rest, once`, async () => {
      const killed = await workspace.run(run, { BATCHCTL_TEST_KILL: kill });
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      if (missing !== null) expect(files()).to.not.include('_SUCCESS').and.not.include(missing);
      expect(await statusOf('last')).to.have.nested.property('delivery.state', 'due');
      const again = await workspace.run(run);
      expect(again.code, again.stderr).to.equal(0);
      expect(files()).to.deep.equal(ALL);
      for (const [n, name] of FILES.entries()) expect(text(name)).to.equal(`n${n + 1}\n`);
      expect((await history()).filter((what) => what === 'delivered')).to.have.length(1);
      expect(readdirSync(workspace.path('.batchctl/store')).filter((name) => name.startsWith('due'))).to.satisfy(
        (left: readonly string[]) =>
          left.every((name) => readdirSync(workspace.path('.batchctl/store', name)).length === 0),
      );
    });
  }

  it('a worker delivers what was submitted and left alone, and leaves only then', async () => {
    await workspace.submit('--period', '2026-11');
    const worked = await workspace.work();
    expect(worked.code, worked.stderr).to.equal(0);
    expect(files()).to.deep.equal(ALL);
    expect(await statusOf('last')).to.have.nested.property('delivery.state', 'delivered');
  });

  for (const kill of ['due:1', 'close:1', 'place-file:2', 'delivered:1']) {
    it(`kill -9 of that worker at ${kill}: the next one delivers`, async () => {
      await workspace.submit('--period', '2026-11');
      const killed = await workspace.work({ BATCHCTL_TEST_KILL: kill });
      expect(killed.signal, killed.stderr).to.equal('SIGKILL');
      const next = await workspace.work();
      expect(next.code, next.stderr).to.equal(0);
      expect(files()).to.deep.equal(ALL);
      expect(await statusOf('last')).to.have.nested.property('delivery.state', 'delivered');
    });
  }

  it('wait delivers too, and watch waits for whoever is at it', async () => {
    const id = await workspace.submit('--period', '2026-11');
    const waiting = [workspace.run(['wait', id]), workspace.run(['watch', id])];
    const [worked, ...waited] = await Promise.all([workspace.work(), ...waiting]);
    for (const { code, stderr } of [worked, ...waited]) expect(code, stderr).to.equal(0);
    expect(files()).to.deep.equal(ALL);
    expect((await history()).filter((what) => what === 'delivered')).to.have.length(1);
  });

  it('delivers anew after a retry has changed what the job came to', async () => {
    const run3 = {
      ...{ name: 'upper', attempts: 1 },
      run: `read n; test -e "${workspace.path('mend')}" || test $n != 3 || exit 1; echo n$n`,
    };
    workspace.write('job.json', { ...JOB, steps: [run3], tolerate: 1 });
    expect((await workspace.run(run)).code).to.equal(0);
    expect(files()).to.deep.equal(ALL.filter((name) => name !== 'n-000000002.txt'));
    workspace.write('mend', '');
    const retried = await workspace.run(['retry', 'last', '--yes']);
    expect(retried.code, retried.stderr).to.equal(0);
    expect(await statusOf('last')).to.have.nested.property('delivery.state', 'waiting');
    const worked = await workspace.work();
    expect(worked.code, worked.stderr).to.equal(0);
    expect(files()).to.deep.equal(ALL);
    expect(JSON.parse(text('_manifest.json'))).to.include({ round: 1, outputs: 4 });
    expect((await history()).filter((what) => what === 'delivered')).to.have.length(2);
  });

  it('delivers nothing of a job that failed', async () => {
    workspace.write('job.json', { ...JOB, steps: [{ name: 'upper', run: 'exit 1', attempts: 1 }] });
    expect((await workspace.run(run)).code).to.equal(5);
    expect(files()).to.deep.equal([]);
    expect(await statusOf('last')).to.have.nested.property('delivery.state', 'none');
  });

  it('delivers nothing of a rehearsal', async () => {
    const rehearsed = await workspace.run(['rehearse', 'job.json', '--period', '2026-11', '--sample', '50%']);
    expect(rehearsed.code, rehearsed.stderr).to.equal(0);
    expect(files()).to.deep.equal([]);
  });

  it('tells a place that it can not write to, in the exit code, status, history and why; and is mended by watch', async () => {
    writeFileSync(workspace.path('results'), 'a file is in the way');
    const ran = await workspace.run(run);
    expect(ran.code).to.equal(7);
    expect(ran.stderr).to.include('succeeded, but is not delivered');
    const status = await statusOf('last');
    expect(status).to.include({ state: 'succeeded' });
    expect(status.delivery).to.include({ state: 'failing' });
    expect(status.delivery.failed).to.include({ tries: 1, kind: 'refused' });
    expect((await workspace.run(['status', 'last'])).stdout).to.include('NOT delivered');
    const why = await workspace.run(['why', 'last', '--json']);
    expect(why.code).to.equal(11);
    expect(JSON.parse(why.stdout).causes[0]).to.include({ code: 'notDelivered', severity: 'stops' });
    // Workers leave it alone for a while, and don't wait for it.
    const worked = await workspace.work();
    expect(worked.code, worked.stderr).to.equal(0);
    expect((await statusOf('last')).delivery.failed.tries).to.equal(1);
    rmSync(workspace.path('results'));
    const watched = await workspace.run(['watch', 'last']);
    expect(watched.code, watched.stderr).to.equal(0);
    expect(files()).to.deep.equal(ALL);
    expect((await workspace.run(['why', 'last'])).code).to.equal(0);
  });

  it('a later job of the same name takes the place over whole; another name is refused', async () => {
    const to = { to: 'latest', name: '{task}' };
    const at = workspace.path('latest');
    const ranges = (last: number) => ({ split: { by: 'range', from: 1, to: last } });
    workspace.write('job.json', { ...JOB, deliver: to, input: ranges(4) });
    expect((await workspace.run(['run', 'job.json'])).code).to.equal(0);
    writeFileSync(`${at}/notes`, 'of a person');
    workspace.write('job.json', { ...JOB, deliver: to, input: ranges(2) });
    const second = await workspace.run(['run', 'job.json']);
    expect(second.code, second.stderr).to.equal(0);
    expect(files(at)).to.deep.equal(['000000000', '000000001', '_SUCCESS', '_manifest.json', 'notes']);
    workspace.write('job.json', { ...JOB, name: 'other', deliver: to });
    const other = await workspace.run(['run', 'job.json']);
    expect(other.code).to.equal(7);
    expect(other.stderr).to.include('the outputs of another job are there: count-');
    expect(files(at)).to.include('_SUCCESS');
  });

  it('takes the marker away before it touches what another job has left', async () => {
    const job = (last: number) => ({
      ...JOB,
      deliver: { to: 'latest' },
      input: { split: { by: 'range', from: 1, to: last } },
    });
    const at = workspace.path('latest');
    workspace.write('job.json', job(2));
    expect((await workspace.run(['run', 'job.json'])).code).to.equal(0);
    expect(files(at)).to.include('_SUCCESS');
    workspace.write('job.json', job(3));
    const killed = await workspace.run(['run', 'job.json'], { BATCHCTL_TEST_KILL: 'place-file:1' });
    expect(killed.signal, killed.stderr).to.equal('SIGKILL');
    expect(files(at)).to.not.include('_SUCCESS');
    const waited = await workspace.run(['wait', 'last']);
    expect(waited.code, waited.stderr).to.equal(0);
    expect(files(at)).to.include('_SUCCESS').and.have.length(5);
  });

  it('an earlier job, late, takes nothing from a later one', async () => {
    writeFileSync(workspace.path('latest'), 'a file is in the way');
    workspace.write('job.json', { ...JOB, deliver: { to: 'latest' } });
    expect((await workspace.run(['run', 'job.json', '--run-key', 'first'])).code).to.equal(7);
    rmSync(workspace.path('latest'));
    const second = await workspace.run(['run', 'job.json', '--run-key', 'second']);
    expect(second.code, second.stderr).to.equal(0);
    const late = await workspace.run(['wait', 'key:first']);
    expect(late.code).to.equal(7);
    expect(late.stderr).to.include('the outputs of a later job are there');
    expect(files(workspace.path('latest'))).to.include('_SUCCESS');
  });

  it('refuses what could only fail once the job is done', async () => {
    for (const [deliver, why] of [
      [{ to: 'out', name: 'all.txt' }, 'gives all outputs of upper one name'],
      [{ to: 'out', name: '{tusk}' }, '{tusk} is unknown'],
      [{ to: 'out/{perod}' }, 'no parameter {perod}'],
      [{ to: 's3://Not_A_Bucket/x' }, 'expected s3://BUCKET/PREFIX'],
      [{ to: 'ftp://host/x' }, 'expected a directory or s3://'],
      [{ to: 'out', marker: '_manifest.json' }, "batchctl's own"],
    ] as const) {
      workspace.write('job.json', { ...JOB, deliver });
      const refused = await workspace.run(['submit', 'job.json']);
      expect(refused.code, JSON.stringify(deliver)).to.equal(3);
      expect(refused.stderr).to.include(why);
    }
  });

  it('leaves the directory of another machine to that machine, and says so', async () => {
    workspace.write('job.json', { ...JOB, deliver: undefined });
    const id = await workspace.submit();
    const { store } = await workspace.platform();
    const key = `jobs/${id}/job.json`;
    const record = JSON.parse(Buffer.from((await store.read(key)) ?? []).toString());
    await store.put(key, JSON.stringify({ ...record, deliverTo: { place, host: 'another-host' } }));
    const worked = await workspace.work();
    expect(worked.code, worked.stderr).to.equal(0);
    const watched = await workspace.run(['watch', id]);
    expect(watched.code, watched.stderr).to.equal(0);
    expect(watched.stderr).to.include(
      `not delivered yet to ${place} on another-host; batchctl watch ${id} does it there`,
    );
    expect(files()).to.deep.equal([]);
    expect((await workspace.run(['why', id])).stdout).to.include('only another-host has that directory');
  });

  it('is not pruned before it is delivered', async () => {
    mkdirSync(workspace.path('results'));
    writeFileSync(place, 'a file is in the way');
    expect((await workspace.run(run)).code).to.equal(7);
    const pruned = await workspace.run(['prune', '--older-than', '0s', '--yes']);
    expect(pruned.code, pruned.stderr).to.equal(0);
    expect(await statusOf('last')).to.include({ prunedAt: null });
    rmSync(place);
    expect((await workspace.run(['wait', 'last'])).code).to.equal(0);
    await until('it may go', async () => {
      await workspace.run(['prune', '--older-than', '0s', '--yes']);
      return (await statusOf('last')).prunedAt !== null;
    });
  });
});
