// Protects: for tasks whose input or earlier output was altered, each command offers what works, and no bare retry.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { fixSteps } from '../../src/model/finding.ts';
import { failedKey, outKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { addEntry } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { Workspace } from '../support/workspace.ts';
import { changeText } from './stored-text.ts';

const CSV = 'id,v\n1,a\n2,b\n';
const OTHER = CSV.replace('b', 'x');

const yaml = (from: string, split = '{ by: file }'): string => `
name: reader
input: { from: "${from}", split: ${split} }
steps: [{ name: copy, attempts: 3, run: [cat] }]
`;

describe('what was altered since a job was accepted', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  let platform: Platform;
  beforeEach(async () => {
    workspace.write('batchctl.config.json', {});
    platform = await workspace.platform();
  });

  const at = (name: string): string => workspace.path(name);
  const run = (...words: readonly string[]) => workspace.run(words);
  const runSuccessfully = async (...words: readonly string[]): Promise<string> =>
    (await workspace.runSuccessfully(...words)).stdout;
  const json = async (...words: readonly string[]) =>
    parseJsonLines<Record<string, unknown>>((await run(...words, '--json')).stdout);
  const work = () => workspace.work();
  const viewOf = (job: string) => requireView(platform.store, job);
  const stateNow = async (job: string): Promise<string> => stateOf(await viewOf(job));

  async function submit(text: string, ...flags: readonly string[]): Promise<string> {
    workspace.write('job.yaml', text);
    return (JSON.parse(await runSuccessfully('submit', 'job.yaml', '--json', ...flags)) as { job: string }).job;
  }

  async function upload(text: string, ...to: readonly string[]): Promise<void> {
    mkdirSync(at('up'), { recursive: true });
    writeFileSync(at('up/a.csv'), text);
    await runSuccessfully('upload', 'up/a.csv', ...to);
  }

  /** What `failures` offers: commands without their program's name, and texts. */
  async function offered(job: string): Promise<{ readonly commands: readonly string[][]; readonly fix: string }> {
    const [cause] = await json('failures', job);
    const fix = String(cause?.fix);
    const commands = fixSteps(fix).flatMap(({ command }) => (command === '' ? [] : [command.split(' ').slice(1)]));
    const { stderr } = await run('failures', job);
    // What follows may be another way, not the next step.
    for (const { remark } of fixSteps(fix)) expect(remark, fix).not.to.match(/\bthen$/);
    for (const { command, remark } of fixSteps(fix))
      expect(stderr).to.include(command).and.include(remark.slice(0, 40));
    return { commands, fix };
  }

  /** Runs the offered commands of these verbs, in the offered order. */
  async function follow(commands: readonly string[][], verbs: readonly string[]): Promise<void> {
    const chosen = commands.filter(([verb = '']) => verbs.includes(verb));
    expect(chosen.map(([verb]) => verb)).to.deep.equal(verbs);
    for (const words of chosen) {
      const { code, stderr } = await run(...words);
      // `verify` reports an open job with 6.
      expect(code, `${words.join(' ')}: ${stderr}`).to.be.oneOf([0, 6]);
      await work();
    }
  }

  for (const [to, split] of [
    [[], '{ by: file }'],
    [['--to', 'in/2026-11'], '{ by: csv, size: 4, header: true }'],
  ] as const)
    it(`an object of upload, split ${split.slice(5, 9)}, is uploaded again, and a retry then succeeds`, async () => {
      await upload(CSV, ...to);
      const key = `store:${[to[1], 'a.csv'].filter((each) => each !== undefined).join('/')}`;
      const job = await submit(yaml(key, split));
      await changeText(platform.store, `data/${key.slice(6)}`, () => OTHER);
      await work();
      expect(await stateNow(job)).to.equal('failed');
      const { commands, fix } = await offered(job);
      expect(fix).to.match(/^batchctl rm .*; batchctl upload a[.]csv/);
      writeFileSync(at('a.csv'), CSV);
      await follow(commands, ['rm', 'upload', 'retry']);
      const view = await requireView(platform.store, job);
      expect(stateOf(view)).to.equal('succeeded');
      const { verdict, warnings } = await verifyJob(platform, view, { deep: true });
      expect([verdict, warnings]).to.deep.equal(['proven', []]);
    });

  it('an object that lies there again with other bytes of the same size still fails the retry', async () => {
    await upload(CSV);
    const job = await submit(yaml('store:a.csv', '{ by: csv, size: 4, header: true }'));
    await platform.store.put('data/a.csv', OTHER);
    await work();
    await upload(OTHER.replace('x', 'y'));
    await runSuccessfully('retry', job);
    await work();
    expect(await stateNow(job)).to.equal('failed');
  });

  it('an object that an open job reads may be restored while it is paused, and changed to nothing else', async () => {
    await upload(CSV);
    const many = yaml('store:a.csv', '{ by: lines, every: 1 }');
    const job = await submit(many);
    await platform.store.put('data/a.csv', OTHER);
    await runSuccessfully('pause', job);
    writeFileSync(at('up/a.csv'), OTHER.replace('x', 'y'));
    const refused = await run('upload', at('up/a.csv'));
    expect([refused.code, refused.stderr.includes(`the open job ${job} reads it`)]).to.deep.equal([7, true]);
    writeFileSync(at('up/a.csv'), CSV);
    await runSuccessfully('upload', at('up/a.csv'));
    await runSuccessfully('resume', job);
    await work();
    expect(await stateNow(job)).to.equal('succeeded');
  });

  it('a local file that was moved away is moved back, and a retry then succeeds', async () => {
    workspace.write('a.csv', CSV);
    const job = await submit(yaml('a.csv'));
    renameSync(at('a.csv'), at('b.csv'));
    await work();
    const { commands, fix } = await offered(job);
    expect(fix).to.include(`if ${at('a.csv')} was moved away`);
    renameSync(at('b.csv'), at('a.csv'));
    await follow(commands, ['retry']);
    expect(await stateNow(job)).to.equal('succeeded');
  });

  it('a local file that was written to is read by a new run, under its run key too', async () => {
    workspace.write('a.csv', CSV);
    const job = await submit(yaml('a.csv'), '--run-key', 'close-11');
    workspace.write('a.csv', OTHER);
    await work();
    const again = (await offered(job)).commands.find(([verb]) => verb === 'run') ?? [];
    expect(again).to.deep.equal(['run', 'JOBFILE', '--run-key', 'close-11', '--again']);
    await runSuccessfully(...again.map((word) => (word === 'JOBFILE' ? 'job.yaml' : word)), '--quiet');
    expect(await stateNow(job)).to.equal('failed');
    const [latest] = await json('jobs');
    expect([latest?.job === job, latest?.state]).to.deep.equal([false, 'succeeded']);
  });

  it("another job's output is made again by its repair, and a retry then succeeds", async () => {
    workspace.write('a.csv', CSV);
    const source = await submit(yaml('a.csv').replace('reader', 'source'));
    await work();
    const job = await submit(yaml(`job:${source}/copy`));
    await platform.store.delete([outKey(source, 'copy', 0)]);
    await work();
    expect(await stateNow(job)).to.equal('failed');
    const { commands, fix } = await offered(job);
    expect(fix.startsWith(`batchctl verify ${source} --deep --repair, `)).to.equal(true);
    await follow(commands, ['verify', 'retry']);
    expect([await stateNow(source), await stateNow(job)]).to.deep.equal(['succeeded', 'succeeded']);
  });

  it('an altered output of the step before is moved away and made again', async () => {
    workspace.write('a.csv', CSV);
    const sum = `{ name: sum, attempts: 1, run: "test -e ${at('up')} && cat" }`;
    const job = await submit(yaml('a.csv').replace(' }]', ` }, ${sum}]`));
    await work();
    mkdirSync(at('up'));
    const key = outKey(job, 'copy', 0);
    await changeText(platform.store, key, () => OTHER);
    await runSuccessfully('retry', job);
    await work();
    const { commands, fix } = await offered(job);
    expect(fix).to.include('move that output away');
    const [deep = [], ...rest] = commands;
    expect((await run(...deep)).stderr).to.include('copy/0');
    await platform.store.delete([key]);
    await follow(rest, ['verify']);
    expect(await stateNow(job)).to.equal('succeeded');
    expect((await verifyJob(platform, await viewOf(job), { deep: true })).verdict).to.equal('proven');
  });

  it('is named by why, with what restores it in place of a retry', async () => {
    workspace.write('a.csv', CSV);
    const job = await submit(yaml('a.csv'));
    rmSync(at('a.csv'));
    await work();
    const [why] = (await json('why', job)) as { causes: { code: string; fix: string }[] }[];
    const failing = why?.causes.find(({ code }) => code === 'failing');
    expect(failing?.fix).to.equal((await offered(job)).fix);
    expect(failing?.fix).not.to.include('--with JOBFILE');
  });

  it('that paused a job is named by run, failures and why, and the job goes on once it is restored', async () => {
    workspace.write('a.txt', '1\n2\n');
    const job = await submit(yaml('a.txt', '{ by: lines, every: 1 }'));
    const times = { startedAt: '2026-12-01T06:00:00Z', endedAt: '2026-12-01T06:00:00Z' };
    const failure = {
      format: 1,
      reason: 'changed',
      exitCode: null,
      error: 'gone',
      attempt: 'none',
      number: 1,
      ...times,
    };
    await platform.store.put(failedKey(job, 'copy', 0, 0), JSON.stringify(failure));
    await addEntry(platform, await viewOf(job), {
      what: 'pause',
      now: false,
      reason: 'changed',
      detail: 'a.txt is gone',
    });
    const { code, stderr } = await run('watch', job);
    expect([code, stderr.includes(`next: batchctl failures ${job}\n`)], stderr).to.deep.equal([7, true]);
    const { causes = [] } = (await json('why', job))[0] as { causes?: { code: string; fix: string }[] };
    expect([causes[0]?.code, causes[0]?.fix.includes('--with')]).to.deep.equal(['inputChanged', false]);
    await follow((await offered(job)).commands, ['retry', 'resume']);
    expect(await stateNow(job)).to.equal('succeeded');
  });

  it('a run key that belongs to a failed job on another input is not answered with a retry', async () => {
    workspace.write('a.csv', CSV);
    const job = await submit(yaml('a.csv'), '--run-key', 'k');
    workspace.write('a.csv', OTHER);
    await work();
    expect(await stateNow(job)).to.equal('failed');
    const { code, stderr } = await run('submit', 'job.yaml', '--run-key', 'k');
    expect(code).to.equal(7);
    expect(stderr).to.include('--again').and.not.include('batchctl retry');
  });
});
