// Protects: a job's outputs reach their directory once, with a marker, and never replace those of a later job.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { describeEachWay } from '../support/manager/each-way.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';
import { ALL, DELIVERING, DeliveringJob } from './delivering-job.ts';

describeEachWay(
  'deliver to a directory',
  (make) => {
    const workspace = forEachTest(make);
    const delivering = forEachTest(() => new DeliveringJob(workspace));

    /**
     * Submitted on the machine with the directory, and followed from anywhere: a manager never writes to its own
     * directories.
     */
    async function submit(...flags: readonly string[]): Promise<string> {
      const words = ['submit', 'job.json', '--json', ...flags];
      return jsonOf(await workspace.run(words, { BATCHCTL_PROFILE: 'local' })).job;
    }
    const run = async (...flags: readonly string[]): Promise<Ended> =>
      workspace.run(['run', await submit(...flags), '--json']);
    const month = ['--period', '2026-11', '--run-key', 'month-end-2026-11'];

    it("delivers the last step's outputs, a manifest and the marker, and shows it everywhere", async () => {
      const ended = expectExit(await run(...month));
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
      expectExit(await workspace.run(['verify', 'last', '-o', 'evidence']));
      expectExit(await workspace.run(['verify', '--check', 'evidence']));
      const report = jsonOf(await workspace.run(['report', 'last', '--format', 'json']));
      expect(report.decisions.at(-1)).to.have.property('text', `delivered 4 outputs to ${delivering.place}`);
    });

    it('delivers once, and the proof stays valid: running it again changes nothing', async () => {
      expectExit(await run(...month));
      writeFileSync(`${delivering.place}/n-000000000.txt`, 'moved on\n');
      const again = expectExit(await run(...month));
      expect(again.stderr).to.include('verified at');
      expect(delivering.text('n-000000000.txt')).to.equal('moved on\n');
      expect(await delivering.deliveries()).to.equal(1);
    });

    it('wait also delivers, and watch waits for the process that is delivering', async () => {
      const id = await submit('--period', '2026-11');
      const waiting = [workspace.run(['wait', id]), workspace.run(['watch', id])];
      const [worked, ...waited] = await Promise.all([workspace.work(), ...waiting]);
      for (const each of [worked, ...waited]) expectExit(each);
      expect(delivering.files()).to.deep.equal(ALL);
      expect(await delivering.deliveries()).to.equal(1);
    });

    it("delivers again after a retry changed the job's outputs", async () => {
      // The second time, it waits until it may end, so that its output can be read meanwhile.
      const [first, go] = [workspace.path('first'), workspace.path('go')];
      const third = `if mkdir "${first}"; then exit 1; fi; until [ -e "${go}" ]; do sleep 0.05; done`;
      const command = `read n; if [ $n = 3 ]; then ${third}; fi; echo n$n`;
      const steps = [{ name: 'upper', attempts: 1, run: command }];
      workspace.write('job.json', { ...DELIVERING, steps, tolerate: 1 });
      expectExit(await run(...month));
      expect(delivering.files()).to.deep.equal(ALL.filter((name) => name !== 'n-000000002.txt'));
      expectExit(await workspace.run(['retry', 'last', '--yes']));
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'waiting');
      workspace.write('go', '');
      expectExit(await workspace.work());
      // The manager's own workers may have been first.
      expectExit(await workspace.run(['wait', 'last']));
      expect(delivering.files()).to.deep.equal(ALL);
      expect(JSON.parse(delivering.text('_manifest.json'))).to.include({ round: 1, outputs: 4 });
      expect(await delivering.deliveries()).to.equal(2);
    });

    it('delivers nothing of a failed job', async () => {
      workspace.write('job.json', { ...DELIVERING, steps: [{ name: 'upper', run: 'exit 1', attempts: 1 }] });
      expectExit(await run(...month), 5);
      expect(delivering.files()).to.deep.equal([]);
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'none');
    });

    it('reports an unwritable target in the exit code, status and why; watch delivers once it is writable', async () => {
      writeFileSync(workspace.path('results'), 'a file is in the way');
      const ended = expectExit(await run(...month), 7);
      expect(ended.stderr).to.include('succeeded, but is not delivered');
      const status = await delivering.status();
      expect(status).to.include({ state: 'succeeded' });
      expect(status.delivery).to.include({ state: 'failing' });
      expect(status.delivery.failed).to.include({ tries: 1, kind: 'refused' });
      expect((await workspace.run(['status', 'last'])).stdout).to.include('NOT delivered');
      const { causes } = jsonOf(await workspace.run(['why', 'last', '--json']), 11);
      expect(causes[0]).to.include({ code: 'notDelivered', severity: 'stops' });
      // Workers skip it for a while, and don't wait for it.
      expectExit(await workspace.work());
      expect((await delivering.status()).delivery.failed.tries).to.equal(1);
      rmSync(workspace.path('results'));
      expectExit(await workspace.run(['watch', 'last']));
      expect(delivering.files()).to.deep.equal(ALL);
      expectExit(await workspace.run(['why', 'last']));
    });

    it('a later job of the same name replaces the whole delivery; a job of another name is refused', async () => {
      const to = { to: 'latest', name: '{task}' };
      const at = workspace.path('latest');
      const rangeTo = (last: number) => ({ split: { by: 'range', from: 1, to: last } });
      workspace.write('job.json', { ...DELIVERING, deliver: to, input: rangeTo(4) });
      expectExit(await run());
      writeFileSync(`${at}/notes`, 'of a person');
      workspace.write('job.json', { ...DELIVERING, deliver: to, input: rangeTo(2) });
      expectExit(await run());
      expect(delivering.files(at)).to.deep.equal(['000000000', '000000001', '_SUCCESS', '_manifest.json', 'notes']);
      workspace.write('job.json', { ...DELIVERING, name: 'other', deliver: to });
      const other = expectExit(await run(), 7);
      expect(other.stderr).to.include('it contains the outputs of another job: count-');
      expect(delivering.files(at)).to.include('_SUCCESS');
    });

    it("an earlier job that ends late doesn't replace a later job's delivery", async () => {
      writeFileSync(workspace.path('latest'), 'a file is in the way');
      workspace.write('job.json', { ...DELIVERING, deliver: { to: 'latest' } });
      expectExit(await run('--run-key', 'first'), 7);
      rmSync(workspace.path('latest'));
      expectExit(await run('--run-key', 'second'));
      const late = expectExit(await workspace.run(['wait', 'key:first']), 7);
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
      expectExit(await run(...month), 7);
      expectExit(await workspace.run(['prune', '--older-than', '0s', '--yes']));
      expect(await delivering.status()).to.include({ prunedAt: null });
      rmSync(delivering.place);
      expectExit(await workspace.run(['wait', 'last']));
      await until('it is pruned', async () => {
        await workspace.run(['prune', '--older-than', '0s', '--yes']);
        return (await delivering.status()).prunedAt !== null;
      });
    });
  },
  { workers: 1 },
);
