// Protects: outputs reach a local directory once and complete, even when the delivering command or worker is killed.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { outKey } from '../../src/model/keys.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { keysBelow } from '../support/stored.ts';
import { Workspace } from '../support/workspace.ts';
import { ALL, DELIVERING, DeliveringJob, FILES } from './delivering-job.ts';
import { submitJob } from './submit-job.ts';

const RUN = ['run', 'job.json', '--period', '2026-11', '--run-key', 'month-end-2026-11', '--json'];

describe('delivery to a directory on its own machine', () => {
  const workspace = forEachTest(() => new Workspace());
  const delivering = forEachTest(() => new DeliveringJob(workspace));

  for (const [kill, missing] of [
    ['place-file:1', '_manifest.json'],
    ['place-file:3', '_manifest.json'],
    ['place-manifest:1', '_manifest.json'],
    ['place-marker:1', '_SUCCESS'],
    ['delivered:1', null],
  ] as const) {
    it(`the same command delivers the rest, once, after kill -9 at ${kill}`, async () => {
      expectKilled(await workspace.run(RUN, { BATCHCTL_TEST_KILL: kill }));
      if (missing !== null) expect(delivering.files()).to.not.include('_SUCCESS').and.not.include(missing);
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'due');
      expectExit(await workspace.run(RUN));
      expect(delivering.files()).to.deep.equal(ALL);
      for (const [n, name] of FILES.entries()) expect(delivering.text(name)).to.equal(`n${n + 1}\n`);
      expect(await delivering.deliveries()).to.equal(1);
      expect(await keysBelow((await workspace.platform()).store, 'due')).to.deep.equal([]);
    });
  }

  it('a worker delivers a job before it leaves, without a watcher', async () => {
    await workspace.submit('--period', '2026-11');
    expectExit(await workspace.work());
    expect(delivering.files()).to.deep.equal(ALL);
    expect(await delivering.status()).to.have.nested.property('delivery.state', 'delivered');
  });

  for (const kill of ['due:1', 'close:1', 'place-file:2', 'delivered:1']) {
    it(`the next worker delivers when one is killed at ${kill}`, async () => {
      await workspace.submit('--period', '2026-11');
      expectKilled(await workspace.work({ BATCHCTL_TEST_KILL: kill }));
      expectExit(await workspace.work());
      expect(delivering.files()).to.deep.equal(ALL);
      expect(await delivering.status()).to.have.nested.property('delivery.state', 'delivered');
    });
  }

  it("removes the marker before it touches another job's files", async () => {
    const job = (last: number) => ({
      ...DELIVERING,
      deliver: { to: 'latest' },
      input: { split: { by: 'range', from: 1, to: last } },
    });
    const at = workspace.path('latest');
    workspace.write('job.json', job(2));
    expectExit(await workspace.run(['run', 'job.json']));
    expect(delivering.files(at)).to.include('_SUCCESS');
    workspace.write('job.json', job(3));
    expectKilled(await workspace.run(['run', 'job.json'], { BATCHCTL_TEST_KILL: 'place-file:1' }));
    expect(delivering.files(at)).to.not.include('_SUCCESS');
    expectExit(await workspace.run(['wait', 'last']));
    expect(delivering.files(at)).to.include('_SUCCESS').and.have.length(5);
  });

  it('does not replace a file that no delivery put there, and delivers once it is moved away', async () => {
    mkdirSync(delivering.place, { recursive: true });
    for (const name of ['n-000000002.txt', '_SUCCESS']) {
      const path = join(delivering.place, name);
      writeFileSync(path, 'mine');
      const refused = await workspace.run(RUN);
      expect(refused.code, refused.stderr).to.equal(7);
      expect(refused.stderr).to.include(`has ${name}, which no delivery put there`).and.include('move it away');
      expect(delivering.files()).to.deep.equal([name]);
      expect(delivering.text(name)).to.equal('mine');
      rmSync(path);
    }
    writeFileSync(join(delivering.place, 'others.txt'), 'mine');
    writeFileSync(join(delivering.place, 'n-000000000.txt'), 'n1\n');
    expectExit(await workspace.run(RUN));
    expect(delivering.files()).to.deep.equal([...ALL, 'others.txt']);
    expect(delivering.text('others.txt')).to.equal('mine');
  });

  it('is compared with what is there before it is called delivered again, and not repeated', async () => {
    expectExit(await workspace.run(RUN));
    const again = async (...words: readonly string[]) => {
      const { code, stderr } = await workspace.run(words.length === 0 ? RUN : words);
      expect(code, stderr).to.equal(0);
      return stderr;
    };
    expect(await again()).to.not.include('warning');
    rmSync(join(delivering.place, 'n-000000003.txt'));
    writeFileSync(join(delivering.place, 'n-000000001.txt'), 'n9\n');
    const changes = '2 of 4 files were removed or altered (n-000000001.txt, n-000000003.txt)';
    for (const words of [[], ['verify', 'last']])
      expect(await again(...words)).to.include(`${changes} since; batchctl `);
    expect(await again('verify', 'last', '--repair', '--dry-run')).to.include(
      `would deliver again to ${delivering.place}: ${changes}`,
    );
    expect(delivering.text('n-000000001.txt')).to.equal('n9\n');
    expect(delivering.files()).to.not.include('n-000000003.txt');
    expect(await delivering.deliveries()).to.equal(1);
    // The command that it names puts them back.
    const [, command = ''] = /batchctl (verify \S+ --repair) delivers it again/.exec(await again()) ?? [];
    expect(await again(...command.split(' '))).to.include(`delivering again to ${delivering.place}: ${changes}`);
    expect(delivering.files()).to.deep.equal(ALL);
    for (const [n, name] of FILES.entries()) expect(delivering.text(name)).to.equal(`n${n + 1}\n`);
    expect(await again()).to.not.include('warning');
    expect(await delivering.deliveries()).to.equal(2);
    const answer = JSON.parse((await workspace.runSuccessfully(...command.split(' '), '--json')).stdout);
    expect(answer).to.have.nested.property('repair.redelivered', null);
    expect(await delivering.deliveries(), 'nothing had changed').to.equal(2);
    for (const [name, text] of [
      ['_SUCCESS', '1 of 4 files was removed or altered (_SUCCESS)'],
      ['_manifest.json', '_manifest.json was removed'],
    ] as const) {
      rmSync(join(delivering.place, name));
      expect(await again()).to.include(text);
    }
    rmSync(delivering.place, { recursive: true });
    expect(await again()).to.include('all of its files were removed');
    expect(delivering.files()).to.deep.equal([]);
    expect(await delivering.deliveries()).to.equal(2);
    const whole = JSON.parse((await workspace.runSuccessfully('verify', 'last', '--repair', '--json')).stdout);
    expect(whole).to.have.nested.property('repair.redelivered', 'all of its files were removed');
    expect(whole).to.include({ verdict: 'proven' });
    expect(delivering.files()).to.deep.equal(ALL);
  });

  it('is called changed if its marker has other content, which is then written again', async () => {
    expectExit(await workspace.run(RUN));
    const marker = join(delivering.place, '_SUCCESS');
    const changes = '1 of 4 files was removed or altered (_SUCCESS)';
    for (const change of [
      () => writeFileSync(marker, 'done by hand'),
      () => {
        rmSync(marker);
        symlinkSync('n-000000000.txt', marker);
      },
    ]) {
      change();
      expect((await workspace.runSuccessfully('verify', 'last')).stderr).to.include(
        `${changes} since; batchctl verify`,
      );
      const { stderr } = await workspace.runSuccessfully('verify', 'last', '--repair');
      expect(stderr).to.include(`delivering again to ${delivering.place}: ${changes}`);
      expect(delivering.text('_SUCCESS')).to.equal('');
      expect(delivering.text('n-000000000.txt')).to.equal('n1\n');
      expect((await workspace.runSuccessfully('verify', 'last')).stderr).to.not.include('warning');
    }
  });

  it('is not repeated over a file that no delivery put there', async () => {
    expectExit(await workspace.run(RUN));
    rmSync(join(delivering.place, '_manifest.json'));
    rmSync(join(delivering.place, '_SUCCESS'));
    writeFileSync(join(delivering.place, 'n-000000001.txt'), 'mine');
    const refused = await workspace.run(['verify', 'last', '--repair']);
    expectExit(refused, 7);
    expect(refused.stderr).to.include('has n-000000001.txt, which no delivery put there');
    expect(delivering.text('n-000000001.txt')).to.equal('mine');
    expect(delivering.files()).to.not.include('_SUCCESS');
    expect(await delivering.deliveries()).to.equal(1);
  });

  it('is repeated only if the proof holds', async () => {
    expectExit(await workspace.run(RUN));
    const { job } = JSON.parse((await workspace.runSuccessfully('status', 'last', '--json')).stdout);
    const { store } = await workspace.platform();
    const key = outKey(job, 'upper', 1);
    await store.put(key, 'N2\n', { metadata: (await store.head(key))?.metadata ?? {} });
    rmSync(join(delivering.place, 'n-000000003.txt'));
    expectExit(await workspace.run(['verify', 'last', '--repair', '--deep']), 9);
    expect(delivering.files()).to.not.include('n-000000003.txt');
  });

  for (const kill of ['place-claim:1', 'place-file:1', 'place-manifest:1', 'place-marker:1', 'place-marked:1']) {
    it(`is completed by the same command when its repetition is killed at ${kill}`, async () => {
      expectExit(await workspace.run(RUN));
      rmSync(join(delivering.place, 'n-000000003.txt'));
      writeFileSync(join(delivering.place, 'n-000000001.txt'), 'n9\n');
      expectKilled(await workspace.run(['verify', 'last', '--repair'], { BATCHCTL_TEST_KILL: kill }));
      const isWhole =
        ALL.every((name) => delivering.files().includes(name)) && delivering.text(FILES[1] ?? '') === 'n2\n';
      const { stderr } = await workspace.runSuccessfully('verify', 'last');
      expect(!stderr.includes(' since; batchctl verify'), stderr).to.equal(isWhole);
      await workspace.runSuccessfully('verify', 'last', '--repair');
      expect(delivering.files()).to.include.members(ALL);
      for (const [n, name] of FILES.entries()) expect(delivering.text(name)).to.equal(`n${n + 1}\n`);
    });
  }

  it('is not called changed because a later job replaced it, as its job file says', async () => {
    for (const last of [2, 3]) {
      const input = { split: { by: 'range', from: 1, to: last } };
      workspace.write('job.json', { ...DELIVERING, deliver: { to: 'latest' }, input });
      expectExit(await workspace.run(['run', 'job.json', '--run-key', `run-${last}`]));
    }
    for (const key of ['key:run-2', 'key:run-3']) {
      const verified = await workspace.run(['verify', key]);
      expectExit(verified);
      expect(verified.stderr).to.not.include('warning');
    }
  });

  it('delivers nothing of a rehearsal', async () => {
    expectExit(await workspace.run(['rehearse', 'job.json', '--period', '2026-11', '--sample', '50%']));
    expect(delivering.files()).to.deep.equal([]);
  });

  it("leaves another machine's directory to that machine, and says so", async () => {
    const id = await submitJob(workspace, { ...DELIVERING, deliver: undefined });
    const { store } = await workspace.platform();
    const key = `jobs/${id}/job.json`;
    const record = JSON.parse(Buffer.from((await store.read(key)) ?? []).toString());
    await store.put(key, JSON.stringify({ ...record, deliverTo: { place: delivering.place, host: 'another-host' } }));
    expectExit(await workspace.work());
    const watched = expectExit(await workspace.run(['watch', id]));
    expect(watched.stderr).to.include(
      `not delivered yet to ${delivering.place} on another-host; deliver it with batchctl watch ${id}`,
    );
    expect(delivering.files()).to.deep.equal([]);
    expect((await workspace.run(['why', id])).stdout).to.include('only another-host has that directory');
  });

  it('refuses a caller of a manager, and says what to do', async () => {
    const managed = await ManagedWorkspace.make();
    try {
      managed.write('job.json', DELIVERING);
      for (const verb of ['run', 'submit']) {
        const refused = expectExit(await managed.run([verb, 'job.json', '--period', '2026-11']), 2);
        expect(refused.stderr)
          .to.include("deliver.to results/{period} is a directory, which would be on the manager's machine")
          .and.include('batchctl fetch -o DIR/');
      }
    } finally {
      await managed.remove();
    }
  });
});
