import { expect } from 'chai';
import { guardFailures } from '../../src/jobs/guards.ts';
import { append, readView, refreshView } from '../../src/jobs/journal.ts';
import { listFacts } from '../../src/jobs/listing.ts';
import { look } from '../../src/jobs/look.ts';
import { Onlooker } from '../../src/jobs/onlooker.ts';
import { discardAbandoned } from '../../src/jobs/discard.ts';
import { retry } from '../../src/jobs/retry.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { TaskBits } from '../../src/model/bits.ts';
import { standingOf } from '../../src/model/decide.ts';
import { canonicalJson } from '../../src/model/digest.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { failedKey, jobKey, openMark, outKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { emptyView, type JobView, stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { Delivery, Receipt } from '../../src/ports/task-queue.ts';
import { admit } from '../../src/worker/admit.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { runWorker } from '../../src/worker/worker.ts';
import { openPlace, type Place, publishSmall, putJob } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { until } from '../support/until.ts';

void canonicalJson; void parseJobFile; void emptyView; void outKey; void jobKey;

const add = async (platform: Platform, view: JobView, kind: EntryKind): Promise<JobView> =>
  (await append(platform.store, view, { who: 'me', now: Date.now() }, () => kind)).view;
const fail = (platform: Platform, job: string, step: string, n: number, round = 0): Promise<unknown> =>
  platform.store.put(failedKey(job, step, n, round), JSON.stringify({ format: 1, reason: 'exit', exitCode: 1, error: 'x', attempt: 'a', number: 3, worker: 'w', startedAt: '2026-01-01T00:00:00Z', endedAt: '2026-01-01T00:00:00Z', cause: 'c' }));
const delivery = (body: string): Delivery => ({ receipt: 'r' as Receipt, body, receiveCount: 1, sentAt: 0 });
const GATHER = (tolerate: number | string): string => `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat] }
  - { name: total, gather: true, run: [cat] }
tolerate: ${tolerate}
`;

describe('review of the core', function () {
  this.timeout(60_000);
  let place: Place;
  beforeEach(async () => { place = await openPlace(); });
  afterEach(async () => { await place.end(); });

  it('V1 a gather that failed for good fails the job, whatever chains are tolerated', async () => {
    const { platform } = place;
    const view = await submitJob(place, GATHER(1), {});
    const { job } = view.record;
    for (let n = 0; n < 4; n += 1) await publishSmall({ platform, view }, 'price', n, 'x');
    await look(platform, view);
    await fail(platform, job, 'total', 0);
    const after = await look(platform, view);
    expect(stateOf(after.view)).to.equal('failed');
  });

  it('V2 a worker with a copy of the journal from before retry-rest does not drop what the canary let go', async () => {
    const { platform } = place;
    const view = await submitJob(place, GATHER(0), {});
    const { job } = view.record;
    for (let n = 0; n < 4; n += 1) await fail(platform, job, 'price', n);
    const { view: after } = await retry(platform, view, { tasks: [], canaries: 1, overrides: {}, dryRun: false });
    const jobs = new JobCache(platform.store, 5_000);
    await jobs.get(job);
    await publishSmall({ platform, view }, 'price', 0, 'x');
    const { did } = await look(platform, after);
    expect(did).to.include('retry-rest');
    const found = await admit(platform.store, jobs, delivery(encodeMessage({ job, step: 'price', task: 3, round: 1 })), Date.now());
    expect(found.kind === 'refused' ? found.outcome : found.kind).to.equal('admitted');
  });

  it('V2b ... nor what an unskip asks for again', async () => {
    const { platform } = place;
    const view = await submitJob(place, GATHER(0), {});
    const { job } = view.record;
    const jobs = new JobCache(platform.store, 5_000);
    let now = await add(platform, view, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    await jobs.get(job);
    now = await add(platform, now, { what: 'unskip', tasks: { price: '3' } });
    const found = await admit(platform.store, jobs, delivery(encodeMessage({ job, step: 'price', task: 3, round: 0 })), Date.now());
    expect(found.kind === 'refused' ? found.outcome : found.kind).to.equal('admitted');
  });

  it('V8 stop counts what failed in its round and was not skipped', async () => {
    const { platform } = place;
    const view = await submitJob(place, `${GATHER(1)}onFailure: stop\n`, {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    const event = { job, step: 'price', worker: 'w', slot: 0, outcome: 'failed', startedAt: 1, endedAt: 2, waitSeconds: null, exitCode: 1, reason: 'exit', error: 'x', cpuSeconds: null, peakMemory: null, bytesIn: null, bytesOut: null, counters: {}, number: 1 } as const;
    for (const task of [0, 1]) { await fail(platform, job, 'price', task); await ledger.record([{ ...event, task, round: 0, attempt: `a${task}` }]); }
    let now = await guardFailures(platform, view);
    expect(now.stopped).to.not.equal(null);
    now = (await look(platform, now)).view;
    const { view: retried } = await retry(platform, now, { tasks: [], canaries: null, overrides: {}, dryRun: false });
    // One of them fails again: one is tolerated.
    await fail(platform, job, 'price', 0, 1);
    await ledger.record([{ ...event, task: 0, round: 1, attempt: 'b0' }]);
    const after = await guardFailures(platform, retried);
    expect(after.stopped, 'stopped again').to.equal(null);
  });

  it('V9 a close decides again when the journal moved between listing and entry', async () => {
    const { platform } = place;
    const view0 = await submitJob(place, GATHER(0).replace(/ {2}- \{ name: total.*\n/, ''), {});
    const { job } = view0.record;
    for (const n of [0, 1, 2]) await publishSmall({ platform, view: view0 }, 'price', n, 'x');
    const view = await add(platform, view0, { what: 'skip', tasks: { price: '3' }, reason: 'x' });
    let raced = false;
    const store: Platform['store'] = new Proxy(platform.store, {
      get: (target, name, self) => {
        if (name !== 'put') { const v: unknown = Reflect.get(target, name, target); return typeof v === 'function' ? v.bind(target) : v; }
        return async (key: string, body: string, options: object) => {
          if (!raced && key.includes('/journal/')) {
            raced = true;
            await add(platform, view, { what: 'unskip', tasks: { price: '3' } });
          }
          return target.put(key, body, options);
        };
      },
    });
    const { view: after } = await look({ ...platform, store }, view);
    const now = await refreshView(platform.store, after);
    const standing = standingOf(now, await listFacts(platform.store, now));
    expect({ state: stateOf(now), undecided: standing.steps[0]?.undecided.count }).to.deep.equal({ state: 'running', undecided: 1 });
    void job;
  });

  it('V13 a looker whose clock is days ahead deletes no submission in progress', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    // keyed and not yet claimed
    const record = { ...view.record, runKey: 'k', runNumber: 0 };
    await platform.store.put(openMark(job, 0), '{"format":1}');
    await platform.store.put(jobKey(job), JSON.stringify(record));
    const ahead = { ...platform, clock: { now: () => Date.now() + 25 * 3_600_000, monotonic: () => 0 } };
    await new Onlooker(ahead, 15).round();
    expect(await platform.store.head(jobKey(job))).to.not.equal(null);
  });

  it('V13b ... and keeps the journal of a pruned job that has an open mark left', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    await add(platform, view, { what: 'sent' });
    await platform.store.delete([jobKey(job)]);
    await discardAbandoned(platform, job);
    let keys = 0;
    for await (const _ of platform.store.list(`jobs/${job}/journal/`)) keys += 1;
    expect(keys).to.equal(1);
  });

  it('V15 what a paused job misses makes no other job resend', async () => {
    const { platform } = place;
    let mono = 0;
    const clock = { now: () => Date.now(), monotonic: () => mono };
    const slow = await submitJob(place, GATHER(0), {});
    const paused = await submitJob(place, GATHER(0).replace('claims', 'other'), {});
    await add(platform, paused, { what: 'pause', now: false, reason: 'me' });
    // as a worker drops them
    const queue = await platform.queue('default');
    for (;;) {
      const got = await queue.receive({ max: 10, waitSeconds: 0 });
      if (got.length === 0) break;
      const mine = got.filter(({ body }) => body.includes(paused.record.job));
      await queue.ack(mine.map(({ receipt }) => receipt));
    }
    const onlooker = new Onlooker({ ...platform, clock }, 15);
    for (const at of [0, 31_000, 62_000]) { mono = at; await onlooker.round(true); }
    const view = await refreshView(platform.store, slow);
    expect(view.resends).to.equal(0);
  });

  it('V3 a worker of two groups takes from both, though one gives it only what it drops', async () => {
    const { platform } = place;
    const dead = await submitJob(place, GATHER(0).replace('to: 4', 'to: 60').replace('price, run', 'price, group: a, run'), {});
    await add(platform, dead, { what: 'cancel' });
    const yaml = GATHER(0).replace('claims', 'other').replace('price, run', 'price, group: b, run').replace('total, gather', 'total, group: b, gather');
    const live = await submitJob(place, yaml.replace('run: [cat] }', 'run: [sleep, "0.3"] }'), {});
    const drain = new AbortController();
    const slow: Platform['store'] = new Proxy(platform.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'read') return value.bind(target);
        return async (...args: unknown[]) => { await new Promise((r) => setTimeout(r, 30)); return value.apply(target, args); };
      },
    });
    const worker = runWorker({ ...platform, store: slow }, {
      ...{ worker: 'w-aaaaaaaaaa', groups: ['a', 'b'], host: 'here', version: '0.1.0' },
      total: { slots: 2, memory: 2 ** 30, disk: 2 ** 30 },
      ...{ untilEmpty: false, idleExit: null, maxFailures: null, drain: drain.signal, stop: new AbortController().signal },
      makeExecutor: createShellExecutor,
      say: () => undefined,
    });
    try {
      await until('done', async () => stateOf((await readView(platform.store, live.record.job)) as JobView) === 'succeeded', 8_000);
    } finally {
      drain.abort();
      await worker;
    }
  });

  for (const [what, run] of [['removes its output directory', 'rmdir "$BATCHCTL_OUTPUT_DIR"'], ['writes a path too long for a key', 'd="$BATCHCTL_OUTPUT_DIR"; for i in 1 2 3 4 5 6; do d="$d/$(printf %0200d 1)"; done; mkdir -p "$d"; echo x > "$d/f"']] as const) {
    it(`V7 a command that ${what} fails its attempt`, async () => {
      const { platform } = place;
      const yaml = `name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps:\n  - { name: price, attempts: 1, output: files, run: ${JSON.stringify(run)} }\n`;
      const view = await submitJob(place, yaml, {});
      const error = await work(platform).then(() => null, (thrown: Error) => thrown);
      expect(error?.message ?? null).to.equal(null);
      expect(stateOf((await readView(platform.store, view.record.job)) as JobView)).to.equal('failed');
    });
  }

  it('V20 a lease lost while its message is admitted records nothing of a nameless job', async () => {
    const { platform } = place;
    void TaskBits;
    const ledger = await platform.ledger();
    const { settle } = await import('../../src/worker/settle.ts');
    const events: unknown[] = [];
    const ctx = { platform, worker: 'w', jobs: new JobCache(platform.store, 1), executor: { run: async () => { throw new Error(); }, close: async () => undefined }, scratch: '/', total: { slots: 1, memory: 1, disk: 1 }, record: async (e: never) => { events.push(e); await ledger.record([e]); }, log: { info: () => undefined, warn: () => undefined }, passed: () => undefined };
    await settle(ctx as never, { queue: {} as never, delivery: delivery('{}'), task: null, number: 0, slot: 0, attempt: null, result: null, outcome: { kind: 'leaseLost' } }, async () => undefined);
    expect(events).to.deep.equal([]);
  });

  it('V21 a worker whose first SIGTERM came while it started drains', async () => {
    const { openContext } = await import('../../src/cli/context.ts');
    const { splitGlobalFlags } = await import('../../src/cli/global-flags.ts');
    const { workerCommand } = await import('../../src/cli/commands/worker.ts');
    const { flags } = splitGlobalFlags(['--profile', 'local', '--quiet']);
    const io = { cwd: place.directory, env: { HOME: place.directory, PATH: process.env.PATH }, stdout: process.stdout, stderr: process.stderr, stdin: process.stdin } as never;
    const [first, second] = [new AbortController(), new AbortController()];
    const ctx = openContext({ io, flags, signal: first.signal, stopNow: second.signal, closed: new AbortController().signal });
    const definition = workerCommand(ctx);
    const ended = Promise.resolve(definition.run({ group: undefined, slots: 1, untilEmpty: false, idleExit: undefined, maxFailures: undefined } as never));
    await ctx.config();
    first.abort(); // as a signal that comes while the platform opens
    const inTime = await Promise.race([ended.then(() => true), new Promise((r) => setTimeout(() => r(false), 3_000))]);
    second.abort();
    await ended;
    expect(inTime).to.equal(true);
  });

  it('V22 a retry round does not list the whole job after every outcome', async () => {
    const { platform } = place;
    const view = await submitJob(place, 'name: claims\ninput: { split: { by: range, from: 1, to: 60 } }\nsteps:\n  - { name: price, run: [cat] }\n', {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    const event = (task: number, round: number, outcome: 'done' | 'failed') => ({ job, step: 'price', worker: 'w', slot: 0, outcome, startedAt: 1, endedAt: 2, waitSeconds: null, exitCode: 1, reason: 'exit', error: 'x', cpuSeconds: null, peakMemory: null, bytesIn: null, bytesOut: null, counters: {}, number: 1, task, round, attempt: `a${task}r${round}` }) as const;
    for (let n = 0; n < 60; n += 1) {
      if (n < 20) await fail(platform, job, 'price', n);
      else await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([event(n, 0, n < 20 ? 'failed' : 'done')]);
    }
    const closed = (await look(platform, view)).view;
    await retry(platform, closed, { tasks: [], canaries: null, overrides: {}, dryRun: false });
    let lists = 0;
    const store = new Proxy(platform.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'list') return value.bind(target);
        return (prefix: string, ...rest: unknown[]) => { if (prefix.endsWith('/out/')) lists += 1; return value.apply(target, [prefix, ...rest]); };
      },
    });
    const onlooker = new Onlooker({ ...platform, store }, 15);
    await onlooker.glance(job);
    lists = 0;
    for (let n = 0; n < 19; n += 1) {
      await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([event(n, 1, 'done')]);
      await onlooker.afterOutcome(job, true);
    }
    expect(lists).to.be.at.most(2);
  });

  it('V23 a first glance at a job that has just begun lists nothing', async () => {
    const { platform } = place;
    const view = await submitJob(place, GATHER(0), {});
    let lists = 0;
    const store = new Proxy(platform.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'list') return value.bind(target);
        return (prefix: string, ...rest: unknown[]) => { if (prefix.endsWith('/out/')) lists += 1; return value.apply(target, [prefix, ...rest]); };
      },
    });
    await new Onlooker({ ...platform, store }, 15).glance(view.record.job);
    expect(lists).to.equal(0);
  });

  it('V30 a step that explodes is cut into its files, or refused', async () => {
    const { platform } = place;
    const yaml = `name: claims
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: cut, output: files, explode: true, run: 'echo a > "$BATCHCTL_OUTPUT_DIR/a"; echo b > "$BATCHCTL_OUTPUT_DIR/b"' }
  - { name: price, run: [cat] }
`;
    const view = await submitJob(place, yaml, {}).catch(() => null);
    if (view === null) return;
    const { job } = view.record;
    for (const n of [0, 1]) await publishSmall({ platform, view }, 'cut', n, 'x');
    const { standing } = await look(platform, view);
    await platform.queue('default').then((queue) => queue.send([{ body: encodeMessage({ job, step: 'price', task: 0, round: 0 }), tenant: job }]));
    await work(platform);
    const after = (await readView(platform.store, job)) as JobView;
    const bytes = await platform.store.read(outKey(job, 'price', 0));
    expect({ total: standing.steps[1]?.total, state: stateOf(after), out: new TextDecoder().decode(bytes ?? new Uint8Array()) }).to.deep.equal({ total: 4 });
  });

  it('V25 a secret of several lines leaves by no last line', async () => {
    const { lastLine } = await import('../../src/worker/stderr.ts');
    const { writeFileSync } = await import('node:fs');
    const { join } = await import('node:path');
    const path = join(place.directory, 'err');
    writeFileSync(path, 'can not sign with\n-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY----- hunter2\n');
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY----- hunter2';
    expect(lastLine(path, { KEY: key })).to.not.include('hunter2');
    const long = `${'s'.repeat(10)}SECRETSECRET${'x'.repeat(4_090)}`;
    writeFileSync(path, long);
    expect(lastLine(path, { KEY: 'SECRETSECRET' }) ?? '').to.not.include('CRET');
  });

  it('V12 a kill is heeded though a later attempt of the job was admitted after it', async () => {
    const { platform } = place;
    const { heedJournals } = await import('../../src/worker/pulse.ts');
    const view = await submitJob(place, GATHER(0), {});
    const { job } = view.record;
    const killed = await add(platform, view, { what: 'kill', tasks: { price: '0' }, mode: 'fail' });
    const of = (task: number, at: JobView) => ({ task: { message: { job, step: 'price', task, round: 0 }, view: at, index: 0 }, startedAt: 0 });
    const running = [of(0, view), of(1, killed)];
    const ended: number[] = [];
    const dispatcher = { running: () => running, end: (_: string, which: (a: unknown) => boolean) => { for (const a of running) if (which(a)) ended.push(a.task.message.task); } };
    await heedJournals(platform.store, new JobCache(platform.store, 1), dispatcher as never);
    expect(ended).to.deep.equal([0]);
  });

  it('V19 a worker told to stop before it began takes nothing', async () => {
    const { platform } = place;
    await submitJob(place, GATHER(0).replace('run: [cat] }\n  - {', 'run: ["sleep", "5"] }\n  - {'), {});
    const stop = new AbortController();
    stop.abort();
    const drain = new AbortController();
    const start = performance.now();
    const worker = runWorker(platform, {
      ...{ worker: 'w-aaaaaaaaaa', groups: ['default'], host: 'here', version: '0.1.0' },
      total: { slots: 2, memory: 2 ** 30, disk: 2 ** 30 },
      ...{ untilEmpty: false, idleExit: null, maxFailures: null, drain: drain.signal, stop: stop.signal },
      makeExecutor: createShellExecutor,
      say: () => undefined,
    });
    const ended = await Promise.race([worker.then(() => true), new Promise((r) => setTimeout(() => r(false), 2_000))]);
    drain.abort();
    await worker;
    expect(ended, `${performance.now() - start}`).to.equal(true);
  });

  it('V16 maxRunning does not make a waiting message be received without end', async () => {
    const { platform } = place;
    const yaml = `name: claims\ninput: { split: { by: range, from: 1, to: 12 } }\nmaxRunning: 1\nsteps:\n  - { name: price, run: [sleep, "1"] }\n`;
    const view = await submitJob(place, yaml, {});
    await work(platform);
    let begun = 0; let most = 0;
    void begun;
    const ledger = await platform.ledger();
    const [counts] = await ledger.counts(view.record.job);
    expect(counts?.done).to.equal(12);
    void most;
  });
});
