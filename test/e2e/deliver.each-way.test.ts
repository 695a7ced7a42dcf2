// Protects: a job's outputs reach their directory once, with a marker, and never replace those of a later job.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { eachWay } from '../support/manager/each-way.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';
import { ALL, DELIVERING, DeliveringJob } from './delivering-job.ts';

eachWay(
  'deliver to a directory',
  (make) => {
    const workspace = forEachTest(make);
    let delivering: DeliveringJob;

    beforeEach(() => {
      delivering = new DeliveringJob(workspace);
    });

    /**
     * Submitted on the machine with the directory, and followed from anywhere: a manager never writes to its own
     * directories.
     */
    async function submitted(...flags: readonly string[]): Promise<string> {
      const words = ['submit', 'job.json', '--json', ...flags];
      const { code, stdout, stderr } = await workspace.run(words, { BATCHCTL_PROFILE: 'local' });
      expect(code, stderr).to.equal(0);
      return JSON.parse(stdout).job;
    }
    const ran = async (...flags: readonly string[]): Promise<Ended> =>
      workspace.run(['run', await submitted(...flags), '--json']);
    const month = ['--period', '2026-11', '--run-key', 'month-end-2026-11'];

    it("delivers the last step's outputs, a manifest and the marker, and shows it everywhere", async () => {
      const ended = await ran(...month);
      expect(ended.code, ended.stderr).to.equal(0);
      expect(delivering.files()).to.deep.equal(ALL);
      expect(delivering.text('n-000000002.txt')).to.equal('n3\n');
      expect(JSON.parse(delivering.text('_manifest.json'))).to.include({
        name: 'count',
        step: 'upper',
        outputs: 4,
        bytes: 12,
      });
      const { delivery } = JSON.parse(ended.stdout);
      expect(delivery).to.include({ to: delivering.place, host: hostname(), state: 'delivered', failed: null });
      expect(delivery.delivered).to.include({ to: delivering.place, outputs: 4, bytes: 12 });
      expect((await workspace.run(['status', 'last'])).stdout).to.include(`delivered to ${delivering.place}`);
      expect((await workspace.run(['verify', 'last'])).stderr).to.include(`delivered to ${delivering.place}`);
      expect((await workspace.run(['history', 'last'])).stdout).to.include(
        `delivered 4 outputs to ${delivering.place}`,
      );
      expect((await workspace.run(['verify', 'last', '-o', 'evidence'])).code).to.equal(0);
      const checked = await workspace.run(['verify', '--check', 'evidence']);
      expect(checked.code, checked.stderr).to.equal(0);
      const report = JSON.parse((await workspace.run(['report', 'last', '--format', 'json'])).stdout);
      expect(report.decisions.at(-1)).to.have.property('text', `delivered 4 outputs to ${delivering.place}`);
    });

    it('delivers once, and the proof stays valid: running it again changes nothing', async () => {
      expect((await ran(...month)).code).to.equal(0);
      writeFileSync(`${delivering.place}/n-000000000.txt`, 'moved on\n');
      const again = await ran(...month);
      expect(again.code, again.stderr).to.equal(0);
      expect(again.stderr).to.include('verified at');
      expect(delivering.text('n-000000000.txt')).to.equal('moved on\n');
      expect(await delivering.deliveries()).to.equal(1);
    });

    it('wait also delivers, and watch waits for the process that is delivering', async () => {
      const id = await submitted('--period', '2026-11');
      const waiting = [workspace.run(['wait', id]), workspace.run(['watch', id])];
      const [worked, ...waited] = await Promise.all([workspace.work(), ...waiting]);
      for (const { code, stderr } of [worked, ...waited]) expect(code, stderr).to.equal(0);
      expect(delivering.files()).to.deep.equal(ALL);
      expect(await delivering.deliveries()).to.equal(1);
    });

    it("delivers again after a retry changed the job's outputs", async () => {
      // The second time, it waits until it may end, so that its output can be read meanwhile.
      const [tried, mend] = [workspace.path('tried'), workspace.path('mend')];
      const third = `if [ ! -e "${tried}" ]; then touch "${tried}"; exit 1; fi; until [ -e "${mend}" ]; do sleep 0.05; done`;
      const run = `read n; if [ $n = 3 ]; then ${third}; fi; echo n$n`;
      workspace.write('job.json', { ...DELIVERING, steps: [{ name: 'upper', attempts: 1, run }], tolerate: 1 });
      expect((await ran(...month)).code).to.equal(0);
      expect(delivering.files()).to.deep.equal(ALL.filter((name) => name !== 'n-000000002.txt'));
      const retried = await workspace.run(['retry', 'last', '--yes']);
      expect(retried.code, retried.stderr).to.equal(0);
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'waiting');
      workspace.write('mend', '');
      const worked = await workspace.work();
      expect(worked.code, worked.stderr).to.equal(0);
      // The manager's own workers may have been first.
      expect((await workspace.run(['wait', 'last'])).code).to.equal(0);
      expect(delivering.files()).to.deep.equal(ALL);
      expect(JSON.parse(delivering.text('_manifest.json'))).to.include({ round: 1, outputs: 4 });
      expect(await delivering.deliveries()).to.equal(2);
    });

    it('delivers nothing of a failed job', async () => {
      workspace.write('job.json', { ...DELIVERING, steps: [{ name: 'upper', run: 'exit 1', attempts: 1 }] });
      expect((await ran(...month)).code).to.equal(5);
      expect(delivering.files()).to.deep.equal([]);
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'none');
    });

    it('reports an unwritable target in the exit code, status and why; watch delivers once it is writable', async () => {
      writeFileSync(workspace.path('results'), 'a file is in the way');
      const ended = await ran(...month);
      expect(ended.code).to.equal(7);
      expect(ended.stderr).to.include('succeeded, but is not delivered');
      const status = await delivering.status();
      expect(status).to.include({ state: 'succeeded' });
      expect(status.delivery).to.include({ state: 'failing' });
      expect(status.delivery.failed).to.include({ tries: 1, kind: 'refused' });
      expect((await workspace.run(['status', 'last'])).stdout).to.include('NOT delivered');
      const why = await workspace.run(['why', 'last', '--json']);
      expect(why.code).to.equal(11);
      expect(JSON.parse(why.stdout).causes[0]).to.include({ code: 'notDelivered', severity: 'stops' });
      // Workers skip it for a while, and don't wait for it.
      const worked = await workspace.work();
      expect(worked.code, worked.stderr).to.equal(0);
      expect((await delivering.status()).delivery.failed.tries).to.equal(1);
      rmSync(workspace.path('results'));
      const watched = await workspace.run(['watch', 'last']);
      expect(watched.code, watched.stderr).to.equal(0);
      expect(delivering.files()).to.deep.equal(ALL);
      expect((await workspace.run(['why', 'last'])).code).to.equal(0);
    });

    it('a later job of the same name replaces the whole delivery; a job of another name is refused', async () => {
      const to = { to: 'latest', name: '{task}' };
      const at = workspace.path('latest');
      const ranges = (last: number) => ({ split: { by: 'range', from: 1, to: last } });
      workspace.write('job.json', { ...DELIVERING, deliver: to, input: ranges(4) });
      expect((await ran()).code).to.equal(0);
      writeFileSync(`${at}/notes`, 'of a person');
      workspace.write('job.json', { ...DELIVERING, deliver: to, input: ranges(2) });
      const second = await ran();
      expect(second.code, second.stderr).to.equal(0);
      expect(delivering.files(at)).to.deep.equal(['000000000', '000000001', '_SUCCESS', '_manifest.json', 'notes']);
      workspace.write('job.json', { ...DELIVERING, name: 'other', deliver: to });
      const other = await ran();
      expect(other.code).to.equal(7);
      expect(other.stderr).to.include('it contains the outputs of another job: count-');
      expect(delivering.files(at)).to.include('_SUCCESS');
    });

    it("an earlier job that ends late doesn't replace a later job's delivery", async () => {
      writeFileSync(workspace.path('latest'), 'a file is in the way');
      workspace.write('job.json', { ...DELIVERING, deliver: { to: 'latest' } });
      expect((await ran('--run-key', 'first')).code).to.equal(7);
      rmSync(workspace.path('latest'));
      const second = await ran('--run-key', 'second');
      expect(second.code, second.stderr).to.equal(0);
      const late = await workspace.run(['wait', 'key:first']);
      expect(late.code).to.equal(7);
      expect(late.stderr).to.include('it contains the outputs of a later job');
      expect(delivering.files(workspace.path('latest'))).to.include('_SUCCESS');
    });

    it('refuses at submission a delivery that could only fail once the job is done', async () => {
      for (const [deliver, why] of [
        [{ to: 'out', name: 'all.txt' }, 'gives all outputs of upper the same name'],
        [{ to: 'out', name: '{tusk}' }, '{tusk} is unknown'],
        [{ to: 'out/{perod}' }, 'no parameter {perod}'],
        [{ to: 's3://Not_A_Bucket/x' }, 'expected s3://BUCKET/PREFIX'],
        [{ to: 'ftp://host/x' }, 'expected a directory or s3://'],
        [{ to: 'out', marker: '_manifest.json' }, '_manifest.json is reserved for batchctl'],
      ] as const) {
        workspace.write('job.json', { ...DELIVERING, deliver });
        const refused = await workspace.run(['submit', 'job.json']);
        expect(refused.code, JSON.stringify(deliver)).to.equal(3);
        expect(refused.stderr).to.include(why);
      }
    });

    it('keeps a job from being pruned before it is delivered', async () => {
      mkdirSync(workspace.path('results'));
      writeFileSync(delivering.place, 'a file is in the way');
      expect((await ran(...month)).code).to.equal(7);
      const pruned = await workspace.run(['prune', '--older-than', '0s', '--yes']);
      expect(pruned.code, pruned.stderr).to.equal(0);
      expect(await delivering.status()).to.include({ prunedAt: null });
      rmSync(delivering.place);
      expect((await workspace.run(['wait', 'last'])).code).to.equal(0);
      await until('it may go', async () => {
        await workspace.run(['prune', '--older-than', '0s', '--yes']);
        return (await delivering.status()).prunedAt !== null;
      });
    });
  },
  { workers: 1 },
);
