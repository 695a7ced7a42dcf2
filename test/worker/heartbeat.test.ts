// Protects: a worker that is draining says so in each heartbeat, and nothing else while it works.
import { expect } from 'chai';
import { Deliveries } from '../../src/jobs/deliver/deliver.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import type { WorkerOptions } from '../../src/worker/context.ts';
import { Heartbeat, OtherWorkers } from '../../src/worker/heartbeat.ts';
import { OutcomeTally } from '../../src/worker/worker-health.ts';
import { makeContext, makeDeparture, makeDispatcher, makePlatform, SILENT } from './worker-context.ts';

describe("a worker's record in the ledger", () => {
  it('is idle, and draining from the moment that it drains, unless it says more itself', () => {
    const platform = makePlatform();
    const ctx = makeContext(platform);
    const dispatcher = makeDispatcher(ctx);
    const departure = makeDeparture(platform);
    const options: WorkerOptions = {
      worker: 'w-1',
      groups: ['default'],
      host: 'desk',
      version: '0.2.0',
      total: ctx.total,
      untilEmpty: false,
      idleExit: null,
      maxFailures: null,
      drain: departure.drain,
      stop: new AbortController().signal,
      makeExecutor: () => ctx.executor,
      say: () => undefined,
    };
    const heartbeat = new Heartbeat({
      ctx,
      log: { ...SILENT, flush: async () => undefined },
      options,
      dispatcher,
      watcher: new JobWatcher(platform, 15),
      deliveries: new Deliveries(platform, departure.drain, SILENT),
      tally: new OutcomeTally(null, 0),
      denied: () => null,
      departure,
      otherWorkers: new OtherWorkers('w-1'),
      recordStart: () => undefined,
      isTransient: () => false,
      onBeat: async () => undefined,
    });
    expect(heartbeat.workerRecord(null)).to.include({ worker: 'w-1', state: 'idle' });
    departure.leave('asked to drain');
    expect(heartbeat.workerRecord(null).state).to.equal('draining');
    expect(heartbeat.workerRecord('gone').state).to.equal('gone');
  });
});
