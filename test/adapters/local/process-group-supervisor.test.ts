// Protects: local workers are replaced when they die and drained when the group shrinks, without a restart loop.

import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { type SuperviseOptions, Supervisor, type WorkerEnd } from '../../../src/adapters/local/supervisor.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';
import { fixtureProgram } from '../child-programs.ts';

const WORKER = fixtureProgram(import.meta.dirname, 'tiny-worker');

describe('the supervisor', () => {
  const marks = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  let deaths: (WorkerEnd & { readonly at: number; readonly started: number })[];
  let started: number;
  let left: string[];

  beforeEach(() => {
    deaths = [];
    started = 0;
    left = [];
  });

  function supervise(size: number, argv: readonly string[] = [], options: Partial<SuperviseOptions> = {}): Supervisor {
    const supervisor = new Supervisor({
      size,
      spawnWorker: () => {
        started += 1;
        return { argv: [WORKER, marks.directory, ...argv], log: marks.path('log', 'workers') };
      },
      onDeath: (end) => {
        deaths.push({ ...end, at: performance.now(), started });
      },
      onLeave: ({ worker }) => left.push(worker),
      backoff: { firstMs: 20, lastMs: 80, resetMs: 60_000 },
      ...options,
    });
    cleanup.defer(() => {
      supervisor.stop(0);
      return supervisor.whenIdle();
    });
    return supervisor;
  }

  /** The ids of workers that left this mark. */
  const markedWith = (mark: string) =>
    readdirSync(marks.directory)
      .filter((name) => name.endsWith(`.${mark}`))
      .map((name) => name.slice(0, -mark.length - 1));
  const untilStarted = (count: number) =>
    until(`${count} workers have started`, () => markedWith('up').length === count);
  const untilDeaths = (count: number) => until(`${count} deaths are reported`, () => deaths.length >= count && deaths);

  it('keeps that many workers running, each with its own id', async () => {
    const supervisor = supervise(2);
    await untilStarted(2);
    expect(supervisor.workers.map(({ worker }) => worker).sort()).to.deep.equal(markedWith('up').sort());
  });

  it('reports at once that a worker died, and starts another with a new id', async () => {
    const supervisor = supervise(1);
    await untilStarted(1);
    const [victim] = supervisor.workers;
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const [death] = await untilDeaths(1);
    expect(death?.worker).to.equal(victim?.worker);
    expect(death?.signal).to.equal('SIGKILL');
    expect(death?.started, 'before another is started').to.equal(1);
    await untilStarted(2);
    expect(supervisor.workers.map(({ worker }) => worker)).to.not.include(victim?.worker);
    expect(left).to.deep.equal([]);
  });

  it('waits longer each time when workers die at startup', async () => {
    supervise(1, ['1'], { backoff: { firstMs: 40, lastMs: 400, resetMs: 60_000 } });
    await untilDeaths(5);
    expect(deaths.every(({ code }) => code === 1)).to.equal(true);
    // The time between two deaths is the wait and the worker's short life.
    const waits = deaths.slice(1).map(({ at, seconds }, n) => at - seconds * 1000 - (deaths[n]?.at ?? 0));
    for (const [n, least] of [40, 80, 160, 320].entries()) expect(waits[n]).to.be.at.least(least - 5);
  });

  it('does not replace a worker that left by itself', async () => {
    const supervisor = supervise(2, ['0']);
    await supervisor.whenIdle();
    expect(left).to.have.length(2);
    expect(deaths.map(({ worker }) => worker).sort()).to.deep.equal([...left].sort());
    expect(supervisor.workers).to.deep.equal([]);
  });

  it('drains surplus workers, and grows again', async () => {
    const supervisor = supervise(2);
    await untilStarted(2);
    supervisor.resize(1);
    await until('one has drained', () => markedWith('drained').length === 1 && supervisor.workers.length === 1);
    supervisor.resize(2);
    await untilStarted(3);
    expect(left).to.deep.equal([]);
  });

  it('drains all when the signal aborts', async () => {
    const abort = new AbortController();
    const supervisor = supervise(2, [], { signal: abort.signal });
    await untilStarted(2);
    abort.abort();
    await supervisor.whenIdle();
    expect(markedWith('drained')).to.have.length(2);
  });

  it('stops workers at once when requested', async () => {
    const supervisor = supervise(1);
    await untilStarted(1);
    supervisor.stop(10_000);
    await supervisor.whenIdle();
    expect(markedWith('stopped')).to.have.length(1);
    expect(deaths[0]?.code).to.equal(0);
  });

  it("continues when it could not release a dead worker's messages, and reports it", async () => {
    const troubles: unknown[] = [];
    supervise(1, ['1'], {
      onDeath: async () => {
        throw new Error('the queue is locked');
      },
      onTrouble: (error) => troubles.push(error),
    });
    await until('three errors are reported', () => troubles.length >= 3);
    expect(troubles[0]).to.be.an('error').with.property('message', 'the queue is locked');
  });

  it("counts a worker that can't be started as a death", async () => {
    supervise(1, [], { spawnWorker: () => ({ argv: [WORKER], cwd: marks.path('nowhere') }) });
    const [death] = await untilDeaths(1);
    expect(death?.code).to.equal(null);
    expect(death?.error).to.be.an('error');
  });
});
