// Protects: a worker that serves two groups never stops taking tasks from one because of the other.
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { encodeMessage } from '../../src/model/message.ts';
import { Dispatcher } from '../../src/worker/dispatcher.ts';
import { Intake } from '../../src/worker/intake.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';

describe('a worker of two groups', () => {
  const place = forEachTest(openPlace);

  it('keeps polling one group when the message that the other was admitting turns out not to run', async () => {
    const { platform } = place;
    const view = await submitJob(
      place,
      'name: claims\ninput: { split: { by: range, from: 1, to: 3 } }\nsteps:\n  - { name: price, run: [cat] }\n',
      {},
    );
    const { job } = view.record;
    // Reading the other job's journal (which is empty) takes as long as the test wants.
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const store = new Proxy(platform.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'read') return value.bind(target);
        return async (key: string, ...rest: unknown[]) => {
          if (key.includes('nobody')) await held;
          return value.apply(target, [key, ...rest]);
        };
      },
    });
    const got: string[] = [];
    const settled: string[] = [];
    const ctx = {
      platform: { ...platform, store },
      worker: 'w',
      jobs: new JobCache(store, 60_000),
      executor: {
        run: async () => {
          throw new Error('x');
        },
        close: async () => undefined,
      },
      scratch: place.directory,
      total: { slots: 1, memory: 2 ** 30, disk: 2 ** 30 },
      record: async () => undefined,
      log: { info: () => undefined, warn: () => undefined },
      passed: () => undefined,
    };
    let intake: Intake | null = null;
    const dispatcher = new Dispatcher(ctx as never, {
      code: {} as never,
      leaseSeconds: 15,
      settle: (item) => settled.push(item.outcome.kind),
      runningElsewhere: () => 0,
      onRoom: () => intake?.wake(),
    });
    const messages: Record<string, { at: number; bodies: string[] }> = {
      a: { at: 0, bodies: [encodeMessage({ job: 'nobody', step: 'price', task: 0, round: 0 })] },
      b: { at: 1, bodies: [encodeMessage({ job, step: 'price', task: 0, round: 0 })] },
    };
    // b's first receive comes back empty, like a long poll that ends; its message comes right afterwards.
    let polls = 0;
    let looked = false;
    const client = async (group: string) => ({
      queue: { group },
      receive: async ({ signal }: { signal: AbortSignal }) => {
        if (group === 'b' && polls++ === 0) {
          await until('a is admitting', () => dispatcher.busy);
          looked = true;
          return [];
        }
        const body = messages[group]?.bodies.shift();
        if (body !== undefined) {
          got.push(group);
          return [{ receipt: group, body, receiveCount: 1, sentAt: 0 }];
        }
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        return [];
      },
    });
    const drain = new AbortController();
    intake = new Intake({
      platform,
      options: { groups: ['a', 'b'], untilEmpty: false, idleExit: null },
      dispatcher,
      deliveries: null as never,
      watcher: {} as never,
      client: client as never,
      settled: async () => undefined,
      drain: drain.signal,
      log: ctx.log,
      watch: { part: () => ({ mark: () => undefined, done: () => undefined }), everyMs: 10 },
      isInStandby: () => false,
      rest: null,
      tryLeave: async () => true,
      isTransient: () => false,
    });
    const run = intake.run();
    await until('b looked', () => looked);
    await setImmediate(); // b's loop looks for a free slot, finds none, and waits at the gate.
    release();
    try {
      await until('b is polled again', () => got.includes('b'));
    } finally {
      drain.abort();
      await run;
    }
    expect(settled[0]).to.equal('poison');
  });
});
