// Protects: failures are grouped into the right causes, and a lost ledger does not change them.
import { expect } from 'chai';
import { causesOf, examplesOf, matchCauses } from '../../src/jobs/failures.ts';
import { append } from '../../src/jobs/journal.ts';
import { causeId, type FailureRecord } from '../../src/model/failure.ts';
import { failedKey, logKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { event } from '../contracts/ledger-events.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall, putJob } from './published-job.ts';

const PARTS = 40;

interface Failing extends Partial<Pick<FailureRecord, 'attempt' | 'worker' | 'reason' | 'exitCode' | 'error'>> {
  readonly round?: number;
  readonly minute?: number;
}

describe("a job's causes", () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: PARTS });
  });

  /** Records a failure as a worker does: in the store, and in the ledger unless it is lost. */
  async function fail(task: number, { round = 0, minute = 0, ...how }: Failing = {}, isLost = false): Promise<void> {
    const { store, ledger } = place.platform;
    const { job } = view.record;
    const at = Date.UTC(2026, 10, 30, 6, minute);
    const failure = { attempt: 'aaaa', worker: 'w-1', reason: 'exit', exitCode: 1, error: 'no rate', ...how };
    const iso = new Date(at).toISOString();
    const record: FailureRecord = { format: 1, number: 1, startedAt: iso, endedAt: iso, cause: '', ...failure };
    await store.put(failedKey(job, 'price', task, round), JSON.stringify(record));
    if (isLost) return;
    await (await ledger()).record([event('failed', task, { job, round, startedAt: at, endedAt: at, ...failure })]);
  }

  async function decide(entry: Parameters<typeof append>[2]): Promise<void> {
    ({ view } = await append(place.platform, view, entry));
  }

  const brief = async (): Promise<readonly string[]> =>
    (await causesOf(place.platform, view)).map(
      ({ step, reason, exitCode, error, tasks }) => `${step} ${reason} ${exitCode} ${error}: ${tasks}`,
    );

  it('group failures by step, exit code, reason and folded error, the most frequent first', async () => {
    await fail(3, { error: 'row 7: no rate', minute: 5, worker: 'w-2' });
    await fail(4, { error: 'row 8: no rate', exitCode: 2 });
    for (const task of [7, 8, 9]) await fail(task, { error: `row ${task}: no rate`, minute: task });
    await fail(11, { error: null, reason: 'timeout', exitCode: null });
    expect(await brief()).to.deep.equal([
      'price exit 1 row <n>: no rate: 3,7-9',
      'price exit 2 row <n>: no rate: 4',
      'price timeout null null: 11',
    ]);
    const [first] = await causesOf(place.platform, view);
    expect(first?.workers).to.equal(2);
    expect(first?.example).to.deep.equal({ task: 3, error: 'row 7: no rate', worker: 'w-2' });
    expect(first?.first).to.equal(Date.UTC(2026, 10, 30, 6, 5));
    expect(first?.last).to.equal(Date.UTC(2026, 10, 30, 6, 9));
  });

  it('have the same id in every job for the same kind of failure', async () => {
    await fail(3, { error: 'row 7: no rate' });
    const [cause] = await causesOf(place.platform, view);
    expect(cause?.id).to.equal(causeId({ step: 'price', reason: 'exit', exitCode: 1, error: 'row 12: no rate' }));
  });

  it('are the same whether the ledger is complete, incomplete or lost', async () => {
    const errors = ['row 1: no rate', 'row 2: bad rate', null];
    for (let task = 0; task < PARTS; task += 1) await fail(task, { error: errors[task % 3] ?? null }, task % 4 === 1);
    const expected = errors.map((_, at) => Array.from({ length: PARTS }, (_, n) => n).filter((n) => n % 3 === at));
    const found = await causesOf(place.platform, view);
    expect(found.map(({ tasks }) => [...tasks])).to.deep.equal(expected);
    await (await place.platform.ledger()).forget(view.record.job);
    expect(await causesOf(place.platform, view)).to.deep.equal(found);
  });

  it('leave out tasks that were published after all, and those that a later round requested', async () => {
    await fail(3);
    await fail(4);
    await fail(5, { error: 'old' });
    await publishSmall({ platform: place.platform, view }, 'price', 4, 'late');
    await decide(() => ({ what: 'retry', round: 1, tasks: { price: '5' }, canaries: null, overrides: {} }));
    expect(await brief()).to.deep.equal(['price exit 1 no rate: 3']);
    await fail(5, { error: 'new', round: 1 });
    expect(await brief()).to.deep.equal(['price exit 1 no rate: 3', 'price exit 1 new: 5']);
  });

  it('list skipped failures separately', async () => {
    for (const task of [3, 4, 5]) await fail(task);
    await fail(9, { error: 'other' });
    await decide(() => ({ what: 'skip', tasks: { price: '3,9' }, reason: 'no data' }));
    const causes = await causesOf(place.platform, view);
    expect(causes.map(({ tasks, skipped }) => [String(tasks), String(skipped)])).to.deep.equal([
      ['4-5', '3'],
      ['', '9'],
    ]);
    expect(causes[0]?.example.task).to.equal(4);
  });

  it('are found by a unique prefix; an ambiguous one is an error that lists the matches', async () => {
    await fail(3);
    await fail(4, { error: 'other' });
    const causes = await causesOf(place.platform, view);
    const [one = '', two = ''] = causes.map(({ id }) => id);
    expect(matchCauses(causes, one.slice(0, 3), 'job').map(({ id }) => id)).to.deep.equal([one]);
    const match = (found: typeof causes, prefix: string) => () => matchCauses(found, prefix, 'job');
    expect(match(causes, 'zzzzzz')).to.throw(`${one}, ${two}`).with.property('kind', 'notFound');
    expect(match(causes, '')).to.throw().with.property('kind', 'notFound');
    const alike = causes.map((cause, at) => ({ ...cause, id: `aaaaa${at}` }));
    expect(match(alike, 'AA')).to.throw('aaaaa0, aaaaa1').with.property('kind', 'usage');
    const equal = causes.map((cause) => ({ ...cause, id: 'aaaaaa' }));
    expect(match(equal, 'a')()).to.have.length(2);
  });

  it("come with the last lines of one task's log", async () => {
    await fail(3, { attempt: 'bbbb' });
    const key = logKey(view.record.job, 'price', 3, 'bbbb');
    const lines = Array.from({ length: 500 }, (_, n) => `line ${n}`);
    await place.platform.store.put(key, `${lines.join('\n')}\n`);
    const [cause] = await causesOf(place.platform, view);
    if (cause === undefined) throw new Error('no cause');
    const example = await examplesOf(place.platform, view)(cause);
    expect(example).to.include({ task: 3, input: 'a.csv', attempt: 'bbbb', log: key });
    expect(example.tail).to.deep.equal(lines.slice(-10));
  });

  it('are limited to a thousand and one per step, however many messages there are', async () => {
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 1_100, job: 'claims-20261130-0600-many1' });
    const word = (n: number): string =>
      n.toString(26).replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 26)));
    for (let task = 0; task < 1_100; task += 1) await fail(task, { error: `bad ${word(task)}` }, true);
    const causes = await causesOf(place.platform, view);
    expect(causes).to.have.length(1_001);
    expect(causes[0]).to.include({ error: 'many different errors' });
    expect(causes[0]?.tasks.count).to.equal(100);
  });
});
