// Protects: failures, tasks, history and reproduce show why tasks failed, who decided what, and the next commands.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { causeId } from '../../src/model/failure.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace } from './published-job.ts';
import { runHere, runJson } from './run-here.ts';
import { runJob, submitJob } from './submitted-job.ts';

const FAIL = `case $BATCHCTL_TASK in
  1|3|4) echo "reading" >&2; echo "row $((BATCHCTL_TASK * 7)) of /in/$BATCHCTL_TASK.csv: no rate" >&2; exit 1;;
  5) echo "the only one of 5" >&2; exit 2;;
esac
cat
`;
const JOB = `
name: claims
files: [fail.sh]
input: { split: { by: range, from: 1, to: 8 } }
steps:
  - { name: price, run: [sh, fail.sh], attempts: 1 }
`;
const NO_RATE = causeId({ step: 'price', reason: 'exit', exitCode: 1, error: 'row 7 of /in/1.csv: no rate' });

describe('the commands that explain failures', () => {
  const place = forEachTest(openPlace);
  let job: string;
  beforeEach(async () => {
    writeFileSync(join(place.directory, 'fail.sh'), FAIL);
    job = (await runJob(place, JOB)).record.job;
  });

  const cli = (...words: string[]) => runHere(place.directory, [...words, '--tz', 'UTC']);
  const documents = (...words: string[]) => runJson(place.directory, [...words, '--tz', 'UTC']);

  it('failures shows how many tasks failed, why, and the next commands', async () => {
    const { code, stdout, stderr } = await cli('failures');
    expect(code).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).to.equal(`${job}: 4 of 8 tasks failed for good, for 2 causes`);
    expect(lines[3]).to.match(new RegExp(`^${NO_RATE}  price +1  exit +3  (now|.* ago) +row <n> of <path>: no rate$`));
    expect(lines[4]).to.match(/^[a-z2-7]{6} {2}price +2 {2}exit +1 {2}(now|.* ago) +the only one of 5$/);
    expect(stderr).to.contain(`batchctl retry ${job} --cause ${NO_RATE}`);
    expect(stderr).to.contain(`batchctl reproduce ${job} price/1 --run`);
  });

  it('failures --cause shows everything about one cause, with the log of one of its tasks', async () => {
    const { stdout } = await cli('failures', job, '--cause', NO_RATE.slice(0, 4));
    expect(stdout)
      .to.match(/^tasks {4}3: price\/1,3-4$/m)
      .and.match(/^reason {3}exit \(exit code 1\)$/m);
    expect(stdout).to.contain('\n    reading\n    row 7 of /in/1.csv: no rate\n');
    const { code, stderr } = await cli('failures', job, '--cause', 'zzz');
    expect(code).to.equal(4);
    expect(stderr).to.contain(NO_RATE);
  });

  it('failures --json has the tasks and an example with its log', async () => {
    const [first, second, ...others] = await documents('failures', job);
    expect(others).to.deep.equal([]);
    expect(first).to.deep.include({ job, cause: NO_RATE, count: 3, tasks: '1,3-4', skipped: '', workers: 1 });
    expect(first).to.have.nested.property('example.error', 'row 7 of /in/1.csv: no rate');
    expect(first).to.have.nested.property('example.tail').that.deep.equals(['reading', 'row 7 of /in/1.csv: no rate']);
    expect(second).to.include({ count: 1, exitCode: 2 });
  });

  it('failures reports that nothing failed', async () => {
    const { record } = await submitJob(place, JOB.replace('claims', 'other'), {});
    const { code, stdout, stderr } = await cli('failures', record.job);
    expect([code, stdout]).to.deep.equal([0, '']);
    expect(stderr).to.contain('has failed for good');
  });

  it('tasks --json names the cause of failed tasks, and none for others', async () => {
    const rows = await documents('tasks', job);
    expect(rows.filter(({ cause }) => cause === NO_RATE).map(({ task }) => task)).to.deep.equal([1, 3, 4]);
    const done = rows.filter(({ state }) => state === 'done');
    expect(done.map(({ cause }) => cause)).to.deep.equal([null, null, null, null]);
    expect((await documents('tasks', job, '--task', 'price/1'))[0]).to.include({ cause: NO_RATE });
  });

  it('tasks --cause lists the tasks of a cause, a page at a time, and no others', async () => {
    const page = async (...words: string[]) =>
      (await documents('tasks', job, '--cause', NO_RATE.slice(0, 4), ...words)).map(({ task }) => task);
    expect(await page()).to.deep.equal([1, 3, 4]);
    expect(await page('--limit', '2')).to.deep.equal([1, 3]);
    expect(await page('--limit', '2', '--after', 'price/3')).to.deep.equal([4]);
    expect((await cli('tasks', job, '--cause', NO_RATE, '--state', 'done')).code).to.equal(2);
  });

  it('tasks calls a task skipped once that was decided, with its cause, and failed again once it was undone', async () => {
    const states = async (...flags: readonly string[]) =>
      (await documents('tasks', job, ...flags)).map(({ task, state, cause }) => [task, state, cause]);
    expect((await cli('skip', job, '--task', 'price/3', '--reason', 'known')).code).to.equal(0);
    const all = await states();
    expect(all.filter(([, state]) => state !== 'done').map(([task, state]) => [task, state])).to.deep.equal([
      [1, 'failed'],
      [3, 'skipped'],
      [4, 'failed'],
      [5, 'failed'],
    ]);
    expect(all[3]).to.deep.equal([3, 'skipped', NO_RATE]);
    expect((await states('--state', 'failed')).map(([task]) => task)).to.deep.equal([1, 4, 5]);
    expect((await states('--state', 'failed', '--limit', '2')).map(([task]) => task)).to.deep.equal([1, 4]);
    const skipped = await documents('tasks', job, '--state', 'skipped');
    expect(skipped).to.deep.equal((await documents('tasks', job)).filter(({ state }) => state === 'skipped'));
    expect(skipped).to.have.length(1);
    expect(skipped[0]).to.deep.include({ task: 3, cause: NO_RATE, exitCode: 1 });
    expect((await states('--cause', NO_RATE)).map(([task, state]) => [task, state])).to.deep.equal([
      [1, 'failed'],
      [3, 'skipped'],
      [4, 'failed'],
    ]);
    expect((await cli('tasks', job)).stdout).to.match(/price\/3 .*skipped/);
    expect((await cli('skip', job, '--task', 'price/3', '--undo')).code).to.equal(0);
    expect((await states('--state', 'failed')).map(([task]) => task)).to.deep.equal([1, 3, 4, 5]);
  });

  it('retry --step and skip --step count all failed tasks of a step before they act on them', async () => {
    const [planned] = await documents('retry', job, '--step', 'price', '--dry-run');
    expect(planned).to.deep.include({ count: 4, tasks: { price: '1,3-5' }, round: null });
    const reason = ['--reason', 'no data'];
    const skip = async (...words: string[]) => (await documents('skip', job, '--step', 'price', ...words))[0];
    expect(await skip('--cause', NO_RATE, ...reason, '--dry-run')).to.deep.include({ count: 3, changed: false });
    expect(await skip(...reason)).to.deep.include({ count: 4, changed: true });
    expect(await skip(...reason)).to.deep.include({ count: 0, changed: false });
    expect(await skip('--undo')).to.deep.include({ count: 4, tasks: { price: '1,3-5' } });
    expect((await documents('retry', job, '--step', 'price'))[0]).to.deep.include({ count: 4, round: 3 });
    for (const words of [
      ['retry', job],
      ['skip', job, ...reason],
    ]) {
      expect((await cli(...words, '--step', 'price', '--task', 'price/1')).code, words[0]).to.equal(2);
      expect((await cli(...words, '--step', 'nope')).code, words[0]).to.equal(4);
    }
  });

  it('history shows who decided what, starting with the acceptance', async () => {
    expect((await cli('skip', job, '--task', 'price/5', '--reason', 'no data')).code).to.equal(0);
    const { stdout } = await cli('history', job);
    const [title, ...lines] = stdout.trimEnd().split('\n');
    expect(title).to.match(/^WHEN +WHO +WHAT$/);
    expect(lines[0]).to.match(/UTC +\S+ +accepted: 8 parts, steps price/);
    expect(lines.find((line) => line.includes('skipped'))).to.match(/skipped price\/5: no data/);
    const entries = await documents('history', job);
    expect(entries[0]).to.include({ number: null, what: 'accepted' });
    expect(entries[1]).to.include({ number: 0, what: 'sent', text: 'sent its first tasks', format: 1 });
    expect(entries.find(({ what }) => what === 'skip')).to.deep.include({ tasks: { price: '5' }, reason: 'no data' });
  });

  it('reproduce --run shows that a task fails here in the same way', async () => {
    const { code, stdout } = await cli('reproduce', job, 'price/3', '--run', '-o', 'here');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^here: +exit code 1, "row 21 of \/in\/3\.csv: no rate" after .*, as recorded$/m);
    const [document] = await documents('reproduce', job, 'price/0', '--run');
    expect(document).to.deep.include({ task: 'price/0', round: 0, bytes: 2 });
    expect(document).to.have.nested.property('run.asRecorded', true);
    expect(document).to.have.property('directory', join(place.directory, `${job}-price-0`));
  });
});

describe('tasks of a job with several inputs', () => {
  const place = forEachTest(openPlace);
  const CONVERT = `
name: convert
input: { from: [a.txt, in/b.txt, in/c.txt], split: { by: file } }
steps:
  - { name: convert, run: 'read text; [ "$text" != b ] || exit 3; echo "$text"', attempts: 1 }
  - { name: check, run: [cat] }
  - { name: all, gather: true, run: [cat] }
`;
  beforeEach(async () => {
    mkdirSync(join(place.directory, 'in'));
    await runJob(place, CONVERT, { 'a.txt': 'a\n', 'in/b.txt': 'b\n', 'in/c.txt': 'c\n' });
  });
  const cli = async (...words: string[]) => {
    const ended = await runHere(place.directory, ['tasks', 'last', ...words]);
    expect(ended.code, ended.stderr).to.equal(0);
    return ended;
  };

  it('are listed with the name of their input, also in later steps', async () => {
    const rows = await runJson(place.directory, ['tasks', 'last']);
    const inputs = rows.map(({ step, task, input }) => [`${step}/${task}`, input]);
    expect(inputs).to.deep.equal([
      ['convert/0', 'a.txt'],
      ['convert/1', 'in/b.txt'],
      ['convert/2', 'in/c.txt'],
      ['check/0', 'a.txt'],
      ['check/2', 'in/c.txt'],
    ]);
    expect((await cli('--state', 'failed')).stdout)
      .to.match(/^TASK +INPUT +STATE /)
      .and.match(/^convert\/1 +in\/b\.txt +failed /m);
    expect((await cli('--task', 'convert/1')).stderr).to.include('input: in/b.txt');
  });

  it('are found by a part of the name of their input', async () => {
    const find = (...flags: string[]) => runJson(place.directory, ['tasks', 'last', '--input', ...flags]);
    const [found, ...others] = await find('c.txt', '--step', 'check');
    expect(found).to.include({ step: 'check', task: 2, state: 'done' });
    expect(others).to.deep.equal([]);
    expect(await find('in/', '--limit', '1')).to.have.length(1);
    expect((await cli('--input', 'd.txt')).stdout).to.equal('');
  });
});
