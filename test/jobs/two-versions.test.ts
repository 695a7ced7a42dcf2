// Protects: workers of another version take no job whose rules they lack, and an output made without them is no proof.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { bytesChecksum } from '../../src/lib/file-checksum.ts';
import { VERSION } from '../../src/lib/version.ts';
import { failedKey, jobKey, journalKey, outKey, roundTriesPrefix, scheduleKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import { sealedEvidence } from '../cli/sealed-evidence.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { changeMeta, changeText, readText } from './stored-text.ts';

const INPUT = { from: 'a.txt', split: { by: 'lines', every: 1 } };
const MAP = { name: 'claims', input: INPUT, steps: [{ name: 'price', run: ['cat'], attempts: 1 }] };
/** Outputs without a line end: 0.1.0 would glue them. */
const GATHER = {
  ...MAP,
  steps: [
    { name: 'price', run: "tr -d '\\n'" },
    { name: 'totals', gather: true, run: ['cat'] },
  ],
};

interface Line {
  readonly line: string;
  readonly text: string;
  readonly record: object;
}

describe('workers and jobs of two versions', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('a.txt', '1\n2\n3');
    workspace.write('map.json', MAP);
    workspace.write('gather.json', GATHER);
  });

  const submit = async (file: string): Promise<string> =>
    (await workspace.runSuccessfully('submit', file, '--quiet')).stdout.trim();

  it('a job says what it needs, and only where an older worker lacks a rule', async () => {
    const { store } = await workspace.platform();
    const { format, needs } = JSON.parse(await readText(store, jobKey(await submit('gather.json'))));
    expect({ format, needs }).to.deep.equal({ format: 2, needs: '0.2.0' });
    const plain = JSON.parse(await readText(store, jobKey(await submit('map.json'))));
    expect(plain).to.include({ format: 1 }).and.not.have.property('needs');
  });

  it('a schedule says what its job needs, and a host that lacks a rule fires nothing, and names the version', async () => {
    const { store } = await workspace.platform();
    const stored = async (name: string) => JSON.parse(await readText(store, scheduleKey(name, 0)));
    for (const name of ['map', 'gather'])
      await workspace.runSuccessfully('schedule', 'add', name, `${name}.json`, '--cron', '* * * * *');
    expect(await stored('map'))
      .to.include({ format: 1 })
      .and.not.have.property('needs');
    expect(await stored('gather')).to.include({ format: 2, needs: '0.2.0' });
    await workspace.runSuccessfully('schedule', 'next', 'gather');
    await changeText(store, scheduleKey('gather', 0), (text) =>
      JSON.stringify({ ...JSON.parse(text), format: 99, needs: '9.1.0' }),
    );
    const later = { BATCHCTL_TEST_AHEAD_SECONDS: '90' };
    const ticked = await workspace.run(['tick'], later);
    expect(ticked.code, ticked.stderr).to.equal(8);
    expect(ticked.stderr).to.include('schedule gather').and.include('install batchctl 9.1.0');
    const jobs = (await workspace.run(['jobs'], later)).stdout;
    expect(jobs).to.include('map@').and.not.include('gather@');
    for (const change of ['pause', 'rm --yes'])
      expectExit(await workspace.run(['schedule', ...change.split(' '), 'gather'], later), 8);
  });

  it('a worker that is too old returns the tasks unspent, says what it needs and leaves; a newer one runs them', async () => {
    const platform = await workspace.platform('w-older');
    const job = await submit('gather.json');
    const accepted = await readText(platform.store, jobKey(job));
    await changeText(platform.store, jobKey(job), () =>
      JSON.stringify({ ...JSON.parse(accepted), format: 99, needs: '9.1.0' }),
    );
    const { message, hint } = await rejection(
      startWorkerInProcess(workspace, platform, { slots: 2, untilEmpty: false }).done,
    ).then((error) => ({ hint: '', ...error, message: error.message }));
    expect(message).to.include(`this worker runs batchctl ${VERSION}`).and.include('job.json has format 99');
    expect(hint).to.include('install batchctl 9.1.0');

    const queue = await platform.queue('default');
    for await (const { body } of queue.dead()) expect.fail(body);
    for (const n of [0, 1, 2]) {
      expect(await platform.store.head(failedKey(job, 'price', n, 0))).to.equal(null);
      for await (const { key } of platform.store.list(roundTriesPrefix(job, 'price', n, 0))) expect.fail(key);
    }
    await changeText(platform.store, jobKey(job), () => accepted);
    // The tasks come back after a minute: the test does not wait for that.
    await queue.purge({});
    await workspace.runSuccessfully('pause', job);
    await workspace.runSuccessfully('resume', job);
    await workspace.work();
    expect(stateOf(await requireView(platform.store, job))).to.equal('succeeded');
    expect(await readText(platform.store, outKey(job, 'totals', 0))).to.equal('1\n2\n3');
  });

  it('a changed job file that brings a rule is an entry that older workers return', async () => {
    workspace.write('map.json', { ...MAP, steps: [{ ...MAP.steps[0], run: 'exit 3' }] });
    const job = await submit('map.json');
    await workspace.work();
    workspace.write('map.json', { ...MAP, steps: [{ ...MAP.steps[0], run: ['echo', '{index}'] }] });
    await workspace.runSuccessfully('retry', job, '--with', 'map.json');
    const platform = await workspace.platform();
    const { next, record } = await requireView(platform.store, job);
    expect(record).to.include({ format: 1 });
    const entries = await Promise.all(
      Array.from({ length: next }, async (_, n) => JSON.parse(await readText(platform.store, journalKey(job, n)))),
    );
    const formats = entries.map(({ what, format, needs }) => [what, format, needs ?? null]);
    expect(formats).to.deep.include(['retry', 2, '0.2.0']);
    expect(formats.filter(([what]) => what !== 'retry').map(([, format]) => format)).to.not.include(2);

    await workspace.work();
    await workspace.runSuccessfully('verify', job, '-o', 'evidence.ndjson');
    await workspace.runSuccessfully('verify', '--check', 'evidence.ndjson');
  });

  it('an evidence file of a later version is neither confirmed nor refuted, and names the version to install', async () => {
    const job = await submit('gather.json');
    await workspace.work();
    await workspace.runSuccessfully('verify', job, '-o', 'evidence.ndjson');
    const lines = readFileSync(workspace.path('evidence.ndjson'), 'utf8').split('\n').filter(Boolean);
    const later = { format: 99, needs: '9.1.0' };
    const decision = (text: string, line: Line) => ({ ...line, text, checksum: bytesChecksum(Buffer.from(text)) });
    for (const [kind, change, hint] of [
      ['evidence', (line) => ({ ...line, format: 99 }), 'install the version of batchctl that wrote it'],
      ['evidence', (line) => ({ ...line, record: { ...line.record, ...later } }), 'install batchctl 9.1.0'],
      ['decision', (line) => decision(JSON.stringify({ ...JSON.parse(line.text), ...later }), line), '9.1.0'],
    ] satisfies [string, (line: Line) => object, string][]) {
      const changed = lines.map((text) => {
        const line = JSON.parse(text);
        return line.line === kind ? JSON.stringify(change(line)) : text;
      });
      workspace.write('later.ndjson', sealedEvidence(changed.slice(0, -1)));
      const { stderr } = expectExit(await workspace.run(['verify', '--check', 'later.ndjson']), 8);
      expect(stderr).to.include('format 99').and.include(hint);
      // Not written so by any version: its seal is that of other lines.
      workspace.write('altered.ndjson', `${changed.join('\n')}\n`);
      expectExit(await workspace.run(['verify', '--check', 'altered.ndjson']), 9);
    }
  });

  it('a digest of a later version is not an alteration, and no answer to the same submission', async () => {
    const submitAgain = ['submit', 'map.json', '--run-key', 'k', '--quiet'];
    const job = (await workspace.runSuccessfully(...submitAgain)).stdout.trim();
    await workspace.work();
    const { store } = await workspace.platform();
    await changeText(store, jobKey(job), (text) => text.replace('"digestFormat":2', '"digestFormat":3'));
    for (const words of [
      ['verify', job],
      ['verify', job, '--deep'],
      ['verify', job, '--repair'],
    ]) {
      const ended = expectExit(await workspace.run(words), 8);
      expect(ended.stderr).to.include(`the digest in ${jobKey(job)} has format 3; this version reads up to 2`);
      expect(ended.stderr).to.include('hint: install the version of batchctl that wrote it, or a newer one');
    }
    // By a later version it would be the same, or differ in what this one doesn't know.
    workspace.write('a.txt', '1\n2\n3\n4');
    expectExit(await workspace.run(submitAgain), 8);
  });

  it('submit refuses while all workers of a group are too old, and writes nothing', async () => {
    const platform = await workspace.platform('w-older');
    startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false, version: '0.1.9' });
    const ledger = await platform.ledger();
    await until('it is known', async () => (await ledger.workers({})).length === 1);
    const { stderr } = expectExit(await workspace.run(['submit', 'gather.json']), 7);
    expect(stderr)
      .to.include('needs workers of batchctl 0.2.0 or later (step totals joins outputs as lines)')
      .and.include('those of group default are 0.1.9: w-older')
      .and.include('batchctl workers drain w-older');
    for await (const { key } of platform.store.list('jobs/')) expect.fail(key);
    await submit('map.json');

    startWorkerInProcess(workspace, await workspace.platform('w-newer'), { slots: 1, untilEmpty: false });
    await until('it is known', async () => (await ledger.workers({})).length === 2);
    await submit('gather.json');
  });

  it('an output of a build before 0.2.0 is found, and made again', async () => {
    const platform = await workspace.platform();
    const job = await submit('gather.json');
    await workspace.work();
    const view = await requireView(platform.store, job);
    const former = { format: 1, job: undefined, step: undefined, task: undefined };
    await changeMeta(platform.store, outKey(job, 'price', 1), former);
    const { verdict, altered, problems } = await verifyJob(platform, view, { deep: true });
    expect({ verdict, altered }).to.deep.equal({ verdict: 'failed', altered: ['price/1'] });
    expect(problems[0]?.message)
      .to.include('expected the output of price/1')
      .and.include('format 1, from before 0.2.0');
    const { stderr } = expectExit(await workspace.run(['fetch', job, '--step', 'price', '-o', 'out/']), 9);
    expect(stderr).to.include('format 1, from before 0.2.0');

    await platform.store.delete([outKey(job, 'price', 1)]);
    expectExit(await workspace.run(['verify', job, '--repair']), 6);
    await workspace.work();
    await workspace.runSuccessfully('verify', job, '--deep');
  });

  it('a job of a build before 0.2.0 is neither run, shown, fetched nor verified, and stays as it is', async () => {
    const platform = await workspace.platform();
    const job = await submit('map.json');
    await workspace.work();
    await workspace.runSuccessfully('verify', job, '-o', 'evidence.ndjson');
    await changeText(platform.store, jobKey(job), (text) => JSON.stringify({ ...JSON.parse(text), version: '0.1.0' }));
    for (const command of ['status', 'fetch -o out/', 'verify', 'verify --repair', 'retry', 'cancel --yes']) {
      const [verb = '', ...rest] = command.split(' ');
      const { stderr } = expectExit(await workspace.run([verb, job, ...rest]), 8);
      expect(stderr, command).to.include(`${jobKey(job)} was written by batchctl 0.1.0`);
    }
    await workspace.runSuccessfully('prune', '--all', '--yes');
    for (const n of [0, 1, 2]) expect(await readText(platform.store, outKey(job, 'price', n))).to.include(`${n + 1}`);
    await submit('gather.json');

    const lines = readFileSync(workspace.path('evidence.ndjson'), 'utf8').split('\n').filter(Boolean);
    const [first = '', ...others] = lines.slice(0, -1);
    const header = JSON.parse(first);
    const former = { ...header, record: { ...header.record, version: '0.1.0' } };
    workspace.write('former.ndjson', sealedEvidence([JSON.stringify(former), ...others]));
    const { stderr } = expectExit(await workspace.run(['verify', '--check', 'former.ndjson']), 8);
    expect(stderr).to.include('job.json in this file was written by batchctl 0.1.0');
  });
});
