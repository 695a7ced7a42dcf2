// Protects: outputs reach a local directory once and complete, even when the delivering command or worker is killed.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { outKey } from '../../src/model/keys.ts';
import { publishSmall } from '../jobs/published-job.ts';
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

  describe('whose manifest was changed', () => {
    interface Line {
      name: string;
      task: number;
      size: number;
      checksum: string;
    }
    interface Manifest {
      job: string;
      name: string;
      marker?: string;
      files: Line[];
    }
    const changeManifest = (change: (manifest: Manifest) => void): void => {
      const path = join(delivering.place, '_manifest.json');
      const manifest: Manifest = JSON.parse(readFileSync(path, 'utf8'));
      change(manifest);
      writeFileSync(path, JSON.stringify(manifest));
    };
    const remove = (name: string): void => rmSync(join(delivering.place, name));
    const forgeries: readonly (readonly [what: string, found: string, forge: () => void])[] = [
      [
        'together with a file',
        '2 of 4 files were removed or altered (_manifest.json, n-000000001.txt)',
        () => {
          writeFileSync(join(delivering.place, 'n-000000001.txt'), 'n99\n');
          const checksum = `sha256:${createHash('sha256').update('n99\n').digest('hex')}`;
          changeManifest(({ files }) => Object.assign(files[1] ?? {}, { size: 4, checksum }));
        },
      ],
      [
        'after a file was removed',
        '2 of 4 files were removed or altered (_manifest.json, n-000000003.txt)',
        () => {
          remove('n-000000003.txt');
          changeManifest(({ files }) => files.pop());
        },
      ],
      [
        'in one checksum',
        '1 of 4 files was removed or altered (_manifest.json)',
        () => changeManifest(({ files }) => Object.assign(files[2] ?? {}, { checksum: files[0]?.checksum })),
      ],
      [
        'to name another marker',
        '1 of 4 files was removed or altered (_SUCCESS)',
        () => {
          remove('_SUCCESS');
          writeFileSync(join(delivering.place, '_DONE'), '');
          changeManifest((manifest) => Object.assign(manifest, { marker: '_DONE' }));
        },
      ],
      [
        'to name another job',
        'its files were replaced by those of job other-20261130-0600-abcde',
        () =>
          changeManifest((manifest) => Object.assign(manifest, { job: 'other-20261130-0600-abcde', name: 'other' })),
      ],
    ];
    for (const [what, found, forge] of forgeries) {
      it(`${what} is compared with the job's own record`, async () => {
        expectExit(await workspace.run(RUN));
        forge();
        const { stderr } = await workspace.runSuccessfully('verify', 'last');
        expect(stderr).to.include(`but ${found} since; batchctl verify`);
      });
    }

    it('is written again, with the files', async () => {
      expectExit(await workspace.run(RUN));
      const before = readFileSync(join(delivering.place, '_manifest.json'), 'utf8');
      forgeries[0]?.[2]();
      await workspace.runSuccessfully('verify', 'last', '--repair');
      for (const [n, name] of FILES.entries()) expect(delivering.text(name)).to.equal(`n${n + 1}\n`);
      const { files } = JSON.parse(delivering.text('_manifest.json'));
      expect(files).to.deep.equal(JSON.parse(before).files);
      expect((await workspace.runSuccessfully('verify', 'last')).stderr).to.not.include('warning');
    });
  });

  it('is not called changed for an output that came after it', async () => {
    workspace.write('job.json', {
      ...DELIVERING,
      tolerate: 1,
      steps: [{ name: 'upper', attempts: 1, run: 'read n; [ $n != 2 ] && echo n$n' }],
    });
    expectExit(await workspace.run(RUN));
    expect(delivering.files()).to.deep.equal(ALL.filter((name) => name !== 'n-000000001.txt'));
    const platform = await workspace.platform();
    const view = await requireView(platform.store, (await delivering.status()).job);
    await publishSmall({ platform, view }, 'upper', 1, 'n2\n');
    expect((await workspace.runSuccessfully('verify', 'last')).stderr).to.not.include('warning: job');
    // A line that was removed besides is noticed.
    rmSync(join(delivering.place, 'n-000000003.txt'));
    const path = join(delivering.place, '_manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...manifest, files: manifest.files.slice(0, -1) }));
    expect((await workspace.runSuccessfully('verify', 'last')).stderr).to.include('n-000000003.txt');
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
