// Protects: the next step of a task still runs if a retry overtakes the attempt, and what a crash could lose is written
// first.
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { append } from '../../src/jobs/journal.ts';
import { FailureStreaks } from '../../src/model/breaker.ts';
import { stepIndex } from '../../src/model/job.ts';
import type { TaskMessage } from '../../src/model/message.ts';
import type { AttemptEvent } from '../../src/ports/ledger.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import { begunMark } from '../../src/worker/attempt.ts';
import { Denials } from '../../src/worker/denials.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { Retrier } from '../../src/worker/retrier.ts';
import { settle } from '../../src/worker/settle.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

const YAML = `
name: claims
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat] }
  - { name: check, run: [cat] }
`;

describe('the end of a delivery', () => {
  const place = forEachTest(openPlace);
  const retrier = new Retrier({
    ...{ limitMs: 60_000, signal: new AbortController().signal, monotonic: () => performance.now() },
    onTrouble: () => undefined,
  });

  it('of an attempt that a retry overtook sends the current round, even if the journal is refused at first', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, { 'a.csv': '1\n2\n' });
    const { job, spec } = view.record;
    const tasks = { price: '0' };
    await append(platform, view, () => ({ what: 'retry', round: 1, tasks, canaries: null, overrides: {} }));
    let refusals = 1;
    const read: ObjectStore['read'] = (key, options) => {
      if (refusals-- > 0) throw new BatchctlError('unavailable', 'AWS limits the request rate');
      return platform.store.read(key, options);
    };
    const ctx = {
      ...{ platform, worker: 'w', jobs: new JobCache(wrapStore(platform.store, { read }), 1), scratch: '/', retrier },
      ...{
        record: async () => undefined,
        log: { warn: () => undefined },
        passed: () => undefined,
        streaks: new FailureStreaks(),
        denials: new Denials(),
      },
    };
    const message: TaskMessage = { job, step: 'price', task: 0, round: 0 };
    const delivery = { receipt: 'r', body: '{}', receiveCount: 1, sentAt: 0 };
    const index = stepIndex(spec, 'price');
    const task = { delivery, message, view, overrides: {}, step: spec.steps[index], index };
    const when = '2026-11-30T06:00:00.000Z';
    const meta = { attempt: 'a', round: 0, startedAt: when, endedAt: when, counters: {} };
    const sent: unknown[] = [];
    await settle(
      ctx as never,
      {
        ...{ queue: { ack: async () => undefined }, delivery, task, number: 1, slot: 0, attempt: 'a', result: null },
        outcome: { kind: 'published', meta },
      } as never,
      async (_, body) => {
        sent.push(JSON.parse(body));
      },
    );
    // A message of the old round would be dropped.
    expect(sent).to.deep.equal([{ format: 1, job, step: 'check', task: 0, round: 1 }]);
  });

  it('records the facts of the published object, and that an attempt here lost to it', async () => {
    const { platform } = place;
    const due = '2026-11-30T06:00:10.000Z';
    const view = await submitJob(place, YAML, { 'a.csv': '1\n2\n' }, due);
    const recorded: Partial<AttemptEvent>[] = [];
    const ctx = {
      ...{
        platform,
        worker: 'w',
        jobs: new JobCache(platform.store, 1),
        scratch: '/',
        streaks: new FailureStreaks(),
        denials: new Denials(),
        retrier,
      },
      ...{ record: async (event: AttemptEvent) => recorded.push(event), log: { warn: () => undefined } },
      passed: () => undefined,
    };
    const message: TaskMessage = { job: view.record.job, step: 'check', task: 0, round: 0 };
    const at = Date.parse(due);
    const delivery = { receipt: 'r', body: '{}', receiveCount: 1, sentAt: at - 9_000 };
    const task = { delivery, message, view, overrides: {}, step: view.record.spec.steps[1], index: 1 };
    const published = { attempt: 'b', round: 3, number: 2, worker: 'v', cpuSeconds: 4, bytesIn: 5, bytesOut: 6 };
    const meta = { ...published, startedAt: due, endedAt: due, counters: { rows: '7' } };
    const result = { startedAt: at + 2_000, endedAt: at + 3_000, end: null, bytesIn: null };
    const item = { queue: { ack: async () => undefined }, delivery, task, number: 1, slot: 0, attempt: 'a', result };
    await settle(ctx as never, { ...item, outcome: { kind: 'twin', meta } } as never, async () => undefined);
    expect(recorded).to.have.length(2);
    expect(recorded[0]).to.deep.include({
      ...{ ...published, outcome: 'done', counters: { rows: '7' }, startedAt: at },
      // From the start time, because no worker would have begun it before.
      waitSeconds: 2,
    });
    expect(recorded[1]).to.include({ outcome: 'interrupted', reason: 'twin', attempt: 'a', round: 0, worker: 'w' });
  });

  /**
   * The effects of settling an outcome, each recorded once complete: after a crash in between, the earlier ones are
   * done.
   */
  async function orderOf(outcome: unknown, yaml = YAML, group = 'default'): Promise<readonly string[]> {
    const { platform } = place;
    const view = await submitJob(place, yaml, { 'a.csv': '1\n2\n' });
    const { job, spec } = view.record;
    const done: string[] = [];
    const noting = (what: string) => async () => {
      await setImmediate();
      done.push(what);
    };
    const put: ObjectStore['put'] = async (key, body, options) => {
      const answer = await platform.store.put(key, body, options);
      await setImmediate();
      done.push(key.split('/')[4] ?? 'journal');
      return answer;
    };
    const store = wrapStore(platform.store, { put });
    const ctx = {
      ...{ platform: { ...platform, store }, worker: 'w', jobs: new JobCache(store, 1), scratch: '/', retrier },
      ...{ record: noting('record'), log: { warn: () => undefined }, passed: () => undefined },
      streaks: new FailureStreaks(),
      denials: new Denials(),
    };
    const delivery = { receipt: 'r', body: '{}', receiveCount: 1, sentAt: 0 };
    const message: TaskMessage = { job, step: 'price', task: 0, round: 0 };
    const task = { delivery, message, view, overrides: {}, step: spec.steps[0], index: 0 };
    const queue = { ack: noting('ack'), release: noting('release'), bury: noting('bury'), queue: { group } };
    const item = { queue, delivery, task, number: 1, slot: 0, attempt: 'a', result: null, outcome };
    await settle(ctx as never, item as never, noting('chain'));
    return done;
  }

  it('chains after the record and before the ack (law 3)', async () => {
    const when = '2026-11-30T06:00:00.000Z';
    const meta = { attempt: 'a', round: 0, startedAt: when, endedAt: when, counters: {} };
    expect(await orderOf({ kind: 'published', meta })).to.deep.equal(['record', 'chain', 'ack']);
  });

  it('leaves a step that waits for all tasks to the watcher that opens it', async () => {
    const when = '2026-11-30T06:00:00.000Z';
    const meta = { attempt: 'a', round: 0, startedAt: when, endedAt: when, counters: {} };
    const gather = YAML.replace('check, ', 'check, gather: true, ');
    const explode = YAML.replace('price, ', 'price, output: files, explode: true, ');
    for (const yaml of [gather, explode])
      expect(await orderOf({ kind: 'published', meta }, yaml), yaml).to.deep.equal(['record', 'ack']);
  });

  it('of an often delivered task removes its mark: its attempt has an outcome, and kills no worker', async () => {
    const { store } = place.platform;
    const message: TaskMessage = { job: 'claims-20261130-0600-abcde', step: 'price', task: 0, round: 0 };
    const delivery = { receipt: 'r', body: '{}', receiveCount: 21, sentAt: 0 };
    const key = begunMark({ message }, 'a');
    await store.put(key, '');
    const item = { queue: { release: async () => undefined }, delivery, task: { message }, attempt: 'a' };
    const ctx = { platform: place.platform, passed: () => undefined };
    await settle(ctx as never, { ...item, outcome: { kind: 'declined' } } as never, async () => undefined);
    expect(await store.head(key)).to.equal(null);
  });

  it('chains nothing after a failed attempt, which is recorded before it is returned', async () => {
    const failure = { reason: 'exit', exitCode: 1, error: 'x' };
    expect(await orderOf({ kind: 'retry', failure, delay: 1 })).to.deep.equal(['record', 'release']);
    expect(await orderOf({ kind: 'failed', failure, attempts: 3 })).to.deep.equal(['record', 'bury']);
    const record = { ...failure, attempt: 'b', number: 3, worker: 'v', startedAt: '', endedAt: '' };
    expect(await orderOf({ kind: 'failedBefore', record }), 'its writer may have died then').to.deep.equal([
      ...['record', 'bury'],
    ]);
  });

  it('sends a task that spot interrupted often to its fallback group, once that is recorded, and no other task', async () => {
    const moving = YAML.replace('price, ', 'price, interruptions: 1, fallback: steady, ');
    const interrupted = (why: string) => ({ kind: 'interrupted', why, delay: 0 });
    expect(await orderOf(interrupted('spot'), moving)).to.deep.equal(['interruptions', 'record', 'chain', 'ack']);
    expect(await orderOf(interrupted('spot'), moving, 'steady')).to.deep.equal(['record', 'release']);
    expect(await orderOf(interrupted('drain'), moving)).to.deep.equal(['record', 'release']);
    expect(await orderOf(interrupted('spot'))).to.deep.equal(['record', 'release']);
  });

  it("pauses a job whose secret can't be read before the task is returned, and informs the worker", async () => {
    const view = await submitJob(place, YAML, { 'a.csv': '1\n2\n' });
    const { platform } = place;
    // It has no reason to read the journal again.
    const jobs = new JobCache(platform.store, 1e9);
    await jobs.get(view.record.job);
    const message: TaskMessage = { job: view.record.job, step: 'price', task: 0, round: 0 };
    const delivery = { receipt: 'r', body: '{}', receiveCount: 1, sentAt: 0 };
    const retrier = { run: (act: () => unknown) => act() };
    const ctx = { platform, worker: 'w', jobs, retrier, record: async () => undefined, passed: () => undefined };
    let known: unknown = null;
    const release = async (): Promise<void> => {
      const now = await jobs.get(message.job);
      known = now !== null && now !== 'gone' && now.paused?.reason;
    };
    const item = { queue: { release }, delivery, task: { message, view }, number: 1, slot: 0, attempt: 'a' };
    const outcome = { kind: 'secretRefused', error: 'x' };
    await settle(ctx as never, { ...item, result: null, outcome } as never, async () => undefined);
    expect(known).to.equal('secret');
  });

  it('sends a task to another group before the ack, and does nothing to a lost lease', async () => {
    expect(await orderOf({ kind: 'handedOver', to: 'steady' })).to.deep.equal(['chain', 'ack']);
    expect(await orderOf({ kind: 'interrupted', why: 'drain', delay: 0 })).to.deep.equal(['record', 'release']);
    expect(await orderOf({ kind: 'leaseLost' })).to.deep.equal(['record']);
  });
});
