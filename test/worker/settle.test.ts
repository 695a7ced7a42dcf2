// Protects: the next step of a task still runs if a retry overtakes the attempt, and what a crash could lose is written
// first.
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { append } from '../../src/jobs/journal.ts';
import { FailureStreaks } from '../../src/model/breaker.ts';
import type { FailureRecord } from '../../src/model/failure.ts';
import type { AttemptEvent } from '../../src/model/ledger/records.ts';
import type { JobView } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import { begunMark } from '../../src/worker/attempt.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { Retrier } from '../../src/worker/retrier.ts';
import { settle } from '../../src/worker/settle.ts';
import { metaWith, openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { viewOf } from '../model/job-of.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { makeClient, makeContext, makeItem, makePlatform, makeTask } from './worker-context.ts';

const YAML = `
name: claims
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat] }
  - { name: check, run: [cat] }
`;

const META = metaWith({ job: 'claims-20261130-0600-abcde', step: 'price', task: 0 }, 6, 'sha256:0');
/** Published by the attempt that is settled. */
const PUBLISHED: Outcome = { kind: 'published', meta: { ...META, attempt: 'a' } };

describe('settling a delivery', () => {
  const place = forEachTest(openPlace);

  const submit = (yaml = YAML, notBefore: string | null = null): Promise<JobView> =>
    submitJob(place, yaml, { 'a.csv': '1\n2\n' }, notBefore);

  it('sends the current round after a retry has overtaken the attempt, even if the journal is refused at first', async () => {
    const { platform } = place;
    const view = await submit();
    const tasks = { price: '0' };
    await append(platform, view, () => ({ what: 'retry', round: 1, tasks, canaries: null, overrides: {} }));
    let refusals = 1;
    const read: ObjectStore['read'] = (key, options) => {
      if (refusals-- > 0) throw new BatchctlError('unavailable', 'AWS limits the request rate');
      return platform.store.read(key, options);
    };
    const ctx = makeContext(platform, {
      jobs: new JobCache(wrapStore(platform.store, { read }), 1),
      retrier: new Retrier({
        limitMs: 60_000,
        signal: new AbortController().signal,
        monotonic: () => performance.now(),
        onTrouble: () => undefined,
      }),
    });
    const sent: unknown[] = [];
    await settle(ctx, makeItem(makeTask(view), PUBLISHED), async (_, body) => {
      sent.push(JSON.parse(body));
    });
    // A message of the old round would be dropped.
    expect(sent).to.deep.equal([{ format: 1, job: view.record.job, step: 'check', task: 0, round: 1 }]);
  });

  it('does not count a task that a person killed among the failures of its program', async () => {
    const streaks = async (reason: 'killed' | 'exit'): Promise<number> => {
      const view = await submit();
      let counted = 0;
      const failures = new FailureStreaks();
      failures.recordFailure = () => {
        counted += 1;
        return false;
      };
      const failure = { reason, exitCode: null, error: null };
      const item = makeItem(makeTask(view), { kind: 'failed', failure, attempts: 1 });
      await settle(makeContext(place.platform, { streaks: failures }), item, async () => undefined);
      return counted;
    };
    expect([await streaks('exit'), await streaks('killed')]).to.deep.equal([1, 0]);
  });

  it('records the facts of the published object, and that an attempt here lost to it', async () => {
    const due = '2026-11-30T06:00:10.000Z';
    const at = Date.parse(due);
    const task = makeTask(await submit(YAML, due), { step: 'check' });
    const recorded: AttemptEvent[] = [];
    const ctx = makeContext(place.platform, { record: async (event) => void recorded.push(event) });
    const facts = {
      attempt: 'b',
      round: 3,
      number: 2,
      worker: 'v',
      cpuSeconds: 4,
      bytesIn: 5,
      bytesOut: 6,
      counters: { rows: '7' },
    };
    const outcome: Outcome = { kind: 'twin', meta: { ...META, ...facts, startedAt: due, endedAt: due } };
    const item = makeItem(task, outcome, {
      delivery: { ...task.delivery, sentAt: at - 9_000 },
      result: { startedAt: at + 2_000, endedAt: at + 3_000, end: null, bytesIn: null },
    });
    await settle(ctx, item, async () => undefined);
    expect(recorded).to.have.length(2);
    // The wait counts from the start time, because no worker would have begun it before.
    expect(recorded[0]).to.deep.include({ ...facts, outcome: 'done', startedAt: at, waitSeconds: 2 });
    expect(recorded[1]).to.include({ outcome: 'interrupted', reason: 'twin', attempt: 'a', round: 0, worker: 'w' });
  });

  /** The effects of settling an outcome, in order. Each is listed once it is complete. */
  async function effectsOf(outcome: Outcome, yaml = YAML, group = 'default'): Promise<readonly string[]> {
    const view = await submit(yaml);
    const effects: string[] = [];
    const noteEffect = (name: string) => async () => {
      await setImmediate();
      effects.push(name);
    };
    const put: ObjectStore['put'] = async (key, body, options) => {
      const result = await place.platform.store.put(key, body, options);
      await noteEffect(key.split('/')[4] ?? 'journal')();
      return result;
    };
    const platform = { ...place.platform, store: wrapStore(place.platform.store, { put }) };
    const queue = makeClient({
      group,
      ack: noteEffect('ack'),
      release: noteEffect('release'),
      bury: noteEffect('bury'),
    });
    const ctx = makeContext(platform, { record: noteEffect('record') });
    await settle(ctx, makeItem(makeTask(view), outcome, { queue }), noteEffect('chain'));
    return effects;
  }

  it('chains after the record and before the ack (law 3)', async () => {
    expect(await effectsOf(PUBLISHED)).to.deep.equal(['record', 'chain', 'ack']);
  });

  it('leaves a step that waits for all tasks to the watcher that opens it', async () => {
    const gather = YAML.replace('check, ', 'check, gather: true, ');
    const explode = YAML.replace('price, ', 'price, output: files, explode: true, ');
    for (const yaml of [gather, explode])
      expect(await effectsOf(PUBLISHED, yaml), yaml).to.deep.equal(['record', 'ack']);
  });

  it('removes the mark of an often delivered task: its attempt has an outcome, and kills no worker', async () => {
    const platform = makePlatform();
    const task = makeTask(viewOf([]));
    const key = begunMark(task, 'a');
    await platform.store.put(key, '');
    const item = makeItem(
      task,
      { kind: 'declined', why: 'busy', delay: 0 },
      { delivery: { ...task.delivery, receiveCount: 21 } },
    );
    await settle(makeContext(platform), item, async () => undefined);
    expect(await platform.store.head(key)).to.equal(null);
  });

  it('chains nothing after a failed attempt, which is recorded before it is returned', async () => {
    const failure = { reason: 'exit', exitCode: 1, error: 'x' };
    expect(await effectsOf({ kind: 'retry', failure, delay: 1 })).to.deep.equal(['record', 'release']);
    expect(await effectsOf({ kind: 'failed', failure, attempts: 3 })).to.deep.equal(['record', 'bury']);
    const record: FailureRecord = {
      ...failure,
      format: 1,
      attempt: 'b',
      number: 3,
      worker: 'v',
      startedAt: '2026-11-30T06:00:00.000Z',
      endedAt: '2026-11-30T06:00:00.000Z',
      cause: 'x',
    };
    const effects = await effectsOf({ kind: 'failedBefore', record });
    expect(effects, 'the worker that wrote the record may have died then').to.deep.equal(['record', 'bury']);
  });

  it('sends a task that spot interrupted often to its fallback group, once that is recorded, and no other task', async () => {
    const moving = YAML.replace('price, ', 'price, interruptions: 1, fallback: steady, ');
    const spot: Outcome = { kind: 'interrupted', why: 'spot', delay: 0 };
    expect(await effectsOf(spot, moving)).to.deep.equal(['interruptions', 'record', 'chain', 'ack']);
    expect(await effectsOf(spot, moving, 'steady')).to.deep.equal(['record', 'release']);
    expect(await effectsOf({ ...spot, why: 'drain' }, moving)).to.deep.equal(['record', 'release']);
    expect(await effectsOf(spot)).to.deep.equal(['record', 'release']);
  });

  it("pauses a job whose secret can't be read before the task is returned, and informs the worker", async () => {
    const view = await submit();
    const { job } = view.record;
    // Its cache has no reason to read the journal again.
    const ctx = makeContext(place.platform);
    await ctx.jobs.get(job);
    let known: unknown = null;
    const release = async (): Promise<void> => {
      const now = await ctx.jobs.get(job);
      known = now !== null && now !== 'gone' && now.paused?.reason;
    };
    const item = makeItem(makeTask(view), { kind: 'secretRefused', error: 'x' }, { queue: makeClient({ release }) });
    await settle(ctx, item, async () => undefined);
    expect(known).to.equal('secret');
  });

  it('records nothing for a lease that is lost before its task is known', async () => {
    const recorded: AttemptEvent[] = [];
    const ctx = makeContext(makePlatform(), { record: async (event) => void recorded.push(event) });
    const item = makeItem(makeTask(viewOf([])), { kind: 'leaseLost' }, { task: null, attempt: null });
    await settle(ctx, item, async () => undefined);
    expect(recorded).to.deep.equal([]);
  });

  it('sends a task to another group before the ack, and leaves the message of a lost lease alone', async () => {
    expect(await effectsOf({ kind: 'handedOver', to: 'steady' })).to.deep.equal(['chain', 'ack']);
    expect(await effectsOf({ kind: 'interrupted', why: 'drain', delay: 0 })).to.deep.equal(['record', 'release']);
    expect(await effectsOf({ kind: 'leaseLost' })).to.deep.equal(['record']);
  });
});
