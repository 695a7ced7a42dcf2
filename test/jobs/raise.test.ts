import { expect } from 'chai';
import { ProcessGroup } from '../../src/adapters/local/process-group.ts';
import { Onlooker } from '../../src/jobs/onlooker.ts';
import { pause } from '../../src/jobs/pause.ts';
import { Raiser, raiseGroups } from '../../src/jobs/raise.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { WorkerGroup } from '../../src/ports/worker-group.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openPlace, type Place } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

const JOB = `name: claims
input: { split: { by: range, from: 1, to: 300 } }
steps:
  - { name: one, run: [cat] }
  - { name: two, run: [cat], group: second }
`;

describe('raising groups', function () {
  this.timeout(30_000);
  let place: Place;
  let clock: FakeClock;
  /** A platform elsewhere, whose groups have sizes and start nothing. */
  let platform: Platform;
  let view: JobView;
  let asked: string[];

  beforeEach(async () => {
    place = await openPlace();
    clock = new FakeClock();
    asked = [];
    const groups = new Map<string, WorkerGroup>();
    const group = async (name: string): Promise<WorkerGroup> => {
      asked.push(name);
      const { store } = place.platform;
      const known =
        groups.get(name) ??
        new ProcessGroup({ group: name, store, clock, isKnown: async () => false, running: async () => 0 });
      groups.set(name, known);
      return known;
    };
    platform = { ...place.platform, remote: true, clock, group };
    view = await submitJob(place, JOB, {});
    for (const name of ['default', 'second']) await (await group(name)).resize({ mode: 'auto', max: 50 });
    asked = [];
  });
  afterEach(() => place.end());

  const desired = async (name: string): Promise<number> => (await (await platform.group(name)).describe()).desired;

  it('raises to what waits, and leaves a group without work as it is', async () => {
    const raised = await raiseGroups(platform, [view], { fresh: true });
    // 300 x 60 s, one slot an instance as far as anybody knows: 18,000 / 1,710 = 10.5
    expect(raised.map(({ group, outcome }) => ({ group, outcome }))).to.deep.equal([
      { group: 'default', outcome: 'raised' },
      { group: 'second', outcome: 'enough' },
    ]);
    expect([await desired('default'), await desired('second')]).to.deep.equal([11, 0]);
  });

  it('never lowers, and leaves a manual group to a person', async () => {
    await (await platform.group('default')).resize({ desired: 40 });
    expect((await raiseGroups(platform, [view], { fresh: true }))[0]?.outcome).to.equal('enough');
    expect(await desired('default')).to.equal(40);
    await (await platform.group('default')).resize({ desired: 1, mode: 'manual' });
    expect((await raiseGroups(platform, [view], { fresh: true }))[0]?.outcome).to.equal('manual');
    expect(await desired('default')).to.equal(1);
  });

  it('goes by the queue once tasks were sent a while ago: what is done elsewhere is no work', async () => {
    await (await platform.queue('default')).purge({});
    expect((await raiseGroups(platform, [view], { fresh: false }))[0]?.outcome).to.equal('enough');
    expect((await raiseGroups(platform, [view], { fresh: true }))[0]?.outcome).to.equal('raised');
  });

  describe('again and again', () => {
    it('looks once a minute, and not at all where nothing but processes could be started', async () => {
      const raiser = new Raiser(platform);
      expect((await raiser.round([view]))[0]?.outcome).to.equal('raised');
      clock.pass(59);
      asked = [];
      expect(await raiser.round([view])).to.deep.equal([]);
      expect(asked).to.deep.equal([]);
      clock.pass(1);
      expect((await raiser.round([view]))[0]?.outcome).to.equal('enough');
      const { remote: _, ...local } = platform;
      expect(await new Raiser(local).round([view])).to.deep.equal([]);
    });

    it('is part of an onlooker’s round, for jobs that run: a worker’s round raises another step’s group', async () => {
      await new Onlooker(platform, 15).round();
      expect(await desired('default')).to.equal(11);
    });

    it('is not for a paused job, nor for an onlooker that is to leave sizes alone', async () => {
      await new Onlooker(platform, 15, undefined, { raises: false }).round();
      expect(await desired('default')).to.equal(0);
      await pause(platform, view, { now: true, reason: 'wait' });
      await new Onlooker(platform, 15).round();
      expect(await desired('default')).to.equal(0);
    });

    it('tells once why a group can not be raised, and goes on', async () => {
      const told: string[] = [];
      const broken: Platform = {
        ...platform,
        group: async (name) => {
          const group = await platform.group(name);
          if (name !== 'default') return group;
          return Object.assign(Object.create(group), {
            group: name,
            describe: async () => {
              const { BatchctlError } = await import('../../src/errors.ts');
              throw new BatchctlError('credentials', 'denied');
            },
          });
        },
      };
      const onlooker = new Onlooker(broken, 15, (job, error) => told.push(`${job}: ${(error as Error).message}`));
      for (let n = 0; n < 3; n += 1) {
        await onlooker.round();
        clock.pass(60);
      }
      expect(told).to.deep.equal([`${view.record.job}: denied`]);
    });
  });
});
