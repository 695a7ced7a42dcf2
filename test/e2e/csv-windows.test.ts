// Protects: a job over a large CSV in the store, cut without reading it all, is right, and is never proven if it can't be.
import { expect } from 'chai';
import { outKey, partShardKey } from '../../src/model/keys.ts';
import type { Finding } from '../../src/model/verify/findings.ts';
import { changeMeta } from '../jobs/stored-text.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

const RECORD = '1234567,"a field, with a line\nend and ""quotes""",0.50\n';
/** From 64 MiB on, not all of an object is read. */
const RECORDS = Math.ceil((64 * 2 ** 20) / RECORD.length) + 1_000;
const GOOD = `id,text,amount\n${RECORD.repeat(RECORDS)}`;
/** The same, with one quote too many in the middle of a part. */
const BAD = `${GOOD.slice(0, 30_000_015)}"${GOOD.slice(30_000_016)}`;

const SPLIT = { by: 'csv', header: true, size: '8MiB' };
/** Counts its records, of two lines each, below the header. */
const STEPS = [
  { name: 'count', run: 'echo $((($(wc -l) - 1) / 2))' },
  { name: 'sum', gather: true, run: "awk '{ n += $1 } END { print n }'" },
];

describe('a job over a large CSV in the store', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  const job = (name: string, split: object) =>
    workspace.write('job.json', { name: 'rows', input: { from: `store:${name}`, split }, steps: STEPS });
  const well = async (...args: readonly string[]): Promise<string> => (await workspace.runSuccessfully(...args)).stdout;
  /** Runs a worker until nothing is left to do. Returns the exit code of the last job. */
  const work = async (): Promise<number | null> => {
    await workspace.work();
    return (await workspace.run(['wait', 'last'])).code;
  };
  const put = async (name: string, text: string): Promise<void> => {
    workspace.write(name, text);
    await well('upload', name, name);
  };

  it('gives every record to one task, and is proven by its workers, who saw that each part holds whole records', async () => {
    await put('good.csv', GOOD);
    job('good.csv', SPLIT);
    const ran = expectExit(await workspace.run(['run', 'job.json', '-o', '-', '--quiet']));
    expect(ran.stdout.trim().split('\n').at(-1)).to.equal(String(RECORDS));
    const id = JSON.parse(await well('status', '--json')).job;
    const { store } = await workspace.platform();
    const shard = new TextDecoder().decode((await store.read(partShardKey(id, 0))) ?? new Uint8Array());
    for (const part of shard.trim().split('\n')) expect(JSON.parse(part).assumed, part).to.equal(true);
    const proof = await well('verify', id, '-o', 'proof.ndjson');
    expect(proof).to.include('proven (succeeded)');
    await well('verify', '--check', 'proof.ndjson');
  });

  it('is not proven by an output of a worker that did not check its part', async () => {
    const id = JSON.parse(await well('status', '--json')).job;
    const { store } = await workspace.platform();
    await changeMeta(store, outKey(id, 'count', 3), { wholeRecords: undefined });
    const { altered, problems } = JSON.parse((await workspace.run(['verify', id, '--json'])).stdout);
    expect(altered).to.deep.equal(['count/3']);
    expect(problems[0].message).to.include('did not check that its part of the CSV holds whole records');
    await changeMeta(store, outKey(id, 'count', 3), { wholeRecords: true });
    await well('verify', id);
  });

  it('is proven with a skipped task whose part a worker had found whole before its command failed, without the input', async () => {
    const [count, sum] = STEPS;
    const steps = [{ ...count, attempts: 1, run: `[ $BATCHCTL_TASK != 2 ] || exit 9; ${count?.run}` }, sum];
    await submitJob(workspace, { name: 'rows', input: { from: 'store:good.csv', split: SPLIT }, steps });
    expect(await work()).to.equal(5);
    await well('skip', 'last', '--task', 'count/2', '--reason', 'to see what is proven');
    expect(await work()).to.equal(0);
    await (await workspace.platform()).store.delete(['data/good.csv']);
    const { verdict, problems, warnings } = JSON.parse(await well('verify', '--json'));
    expect({ verdict, problems, warnings }).to.deep.equal({ verdict: 'proven', problems: [], warnings: [] });
  });

  it('fails the task that meets a fault, and is not proven if that task is skipped', async () => {
    await put('bad.csv', BAD);
    job('bad.csv', SPLIT);
    await workspace.submit();
    expect(await work()).to.equal(5);
    const causes = await well('failures', '--json');
    expect(causes).to.include('so it is unclear where records end').and.include('exact: true');
    const { cause, count, reason } = JSON.parse(causes);
    expect({ count, reason }).to.deep.equal({ count: 1, reason: 'input' });
    await well('skip', 'last', '--cause', cause, '--reason', 'to see what is proven');
    await work();
    const proof = await workspace.run(['verify', '--json']);
    expect(proof.code, proof.stdout).to.equal(9);
    expect(JSON.parse(proof.stdout).problems.map(({ code }: Finding) => code)).to.deep.equal(['cutWithinRecord']);
  });

  it('is refused before anything is written, with the line of the fault, if all of it is to be read', async () => {
    job('bad.csv', { ...SPLIT, exact: true });
    const { stderr } = expectExit(await workspace.run(['submit', 'job.json']), 3);
    expect(stderr).to.match(/bad\.csv, line \d+: .*so it is unclear where records end/);
  });
});
