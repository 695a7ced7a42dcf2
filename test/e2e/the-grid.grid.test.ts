// Protects: a job on AWS completes while instances die or a release rolls out, and the group returns to zero.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Chance } from '../support/chance.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { leftovers } from '../support/grid/leftovers.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { submitJob } from './submit-job.ts';

/** Blows that EC2, networks and people deal to working instances, and the number of each in a storm. */
const BLOWS = { interrupt: 6, rebalance: 4, terminate: 4, kill: 4, partition: 4 } as const;

type Blow = keyof typeof BLOWS;

interface StormOptions {
  readonly cloud: Cloud;
  readonly group: string;
  readonly seed: number;
  /** Seconds from a notice to the interruption: two minutes on EC2. */
  readonly notice: number;
  /** Milliseconds that a partition lasts, about. */
  readonly partition: number;
  /** Terminates an instance in EC2, as a person with a console does. */
  terminate(instance: string): Promise<void>;
}

/** Strikes instances in service at random, and each blow as often as it should; `story` says what it did. */
class Storm {
  readonly story: string[] = [];
  /** Blows left. */
  readonly #deck: Blow[];
  readonly #options: StormOptions;
  readonly #chance: Chance;
  readonly #began = performance.now();
  readonly #healing = new Map<NodeJS.Timeout, string>();

  constructor(options: StormOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
    const all = Object.entries(BLOWS).flatMap(([blow, times]) => Array<Blow>(times).fill(blow as Blow));
    this.#deck = shuffled(all, this.#chance);
  }

  get left(): number {
    return this.#deck.length;
  }

  /** Strikes with the next blow; false while no instance is in service. */
  strike(): boolean {
    const { cloud, group, notice } = this.#options;
    const serving = cloud.grid.instances(group).filter(({ state, gone }) => state === 'InService' && !gone);
    const blow = this.#deck.at(-1);
    if (serving.length === 0 || blow === undefined) return false;
    this.#deck.pop();
    const victim = this.#chance.pick(serving);
    const at = ((performance.now() - this.#began) / 1_000).toFixed(1);
    this.story.push(`${at} s: ${blow} ${victim.id}, one of ${serving.length} in service`);
    if (blow === 'interrupt') cloud.grid.interrupt(victim, notice);
    else if (blow === 'rebalance') cloud.grid.rebalance(victim);
    else if (blow === 'kill') cloud.grid.kill(victim);
    else if (blow === 'partition') this.#partition(victim);
    else void this.#options.terminate(victim.id).catch((error) => this.story.push(`it was not terminated: ${error}`));
    return true;
  }

  /** Heals all partitions. */
  calm(): void {
    for (const [timer, id] of this.#healing) {
      clearTimeout(timer);
      this.#options.cloud.grid.partition(id, false);
    }
    this.#healing.clear();
  }

  #partition({ id }: GridInstance): void {
    const { grid } = this.#options.cloud;
    grid.partition(id);
    const timer = setTimeout(
      () => {
        this.#healing.delete(timer);
        grid.partition(id, false);
      },
      this.#options.partition * (0.5 + this.#chance.next()),
    );
    this.#healing.set(timer, id);
  }
}

function shuffled<T>(from: readonly T[], chance: Chance): T[] {
  const left = [...from];
  const deck: T[] = [];
  while (left.length > 0) deck.push(...left.splice(chance.whole(0, left.length - 1), 1));
  return deck;
}

/**
 * `BATCHCTL_GRID_SEED=17` repeats the same accidents in the same order; the machine's speed decides which instances
 * they hit.
 */
const SEED = Number(process.env.BATCHCTL_GRID_SEED ?? Date.now() % 100_000);
const TASKS = Number(process.env.BATCHCTL_GRID_TASKS ?? 1_000);
/** Seconds without work after which a worker leaves. */
const IDLE = 6;

describe('a group of instances', function () {
  this.timeout(600_000);
  let world: GridWorld;

  beforeEach(async () => {
    world = await GridWorld.open(IDLE);
    await world.runSuccessfully('infra', 'up', '--yes');
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') console.error(world?.consoles());
    await world?.remove();
  });

  const there = () => world.cloud.grid.instances(world.group);
  const serving = () => there().filter(({ state }) => state === 'InService');
  const submit = (name: string, tasks: number, command: string, ...flags: readonly string[]): Promise<string> => {
    // With one attempt, an interruption charged to the task would fail it.
    const step = { name: 'work', run: command, attempts: 1, timeout: '60s' };
    return submitJob(world, rangeJob(name, tasks, step), ...flags);
  };

  /** Checks the store, the services, and the order of the requests that they got. */
  const expectLaws = async (job: string, tasks: number): Promise<void> => {
    const verified = await world.run(['verify', job]);
    expect(verified.code, verified.stderr + verified.stdout).to.equal(0);
    await world.runSuccessfully('fetch', job, '-o', 'all.txt');
    const lines = readFileSync(world.path('all.txt'), 'utf8').trimEnd().split('\n');
    expect(lines).to.deep.equal(Array.from({ length: tasks }, (_, place) => String(place + 1)));
    const keys = await world.keys(`jobs/${job}/steps/work/`);
    const below = (folder: string) => keys.filter((key) => key.includes(`/work/${folder}/`));
    expect(below('out')).to.have.length(tasks);
    expect(below('tries'), 'attempts charged').to.deep.equal([]);
    expect(below('failed')).to.deep.equal([]);
    const published = world.published(job);
    expect(published).to.have.length(tasks);
    expect(new Set(published).size, 'each output is published once').to.equal(tasks);
    const [step] = jsonOf(await world.runSuccessfully('status', job, '--json')).steps;
    expect(step).to.include({ total: tasks, done: tasks, failed: 0, retried: 0 });
  };

  const expectBackToZero = async (): Promise<void> => {
    await until('the group is empty', () => there().length === 0, 180_000);
    expect(jsonOf(await world.runSuccessfully('scale', '--json'))).to.include({ desired: 0, running: 0 });
  };

  const expectNothingLeft = async (): Promise<void> => {
    const down = await world.run(['infra', 'down', '--delete-data', '--confirm', world.stack]);
    expect(down.code, down.stderr + down.stdout).to.equal(0);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
    expect(world.supervisor.troubles).to.deep.equal([]);
  };

  it('runs a job from zero to eight instances and back to zero, whatever happens to them', async () => {
    console.log(`      BATCHCTL_GRID_SEED=${SEED}`);
    const job = await submit('storm', TASKS, 'read n; echo "$n"');
    await until('work has raised the group', () => there().length > 0);
    await world.runSuccessfully('scale', '8', '--auto');
    await until('all eight serve', () => serving().length === 8, 180_000);
    const storm = new Storm({
      cloud: world.cloud,
      group: world.group,
      seed: SEED,
      notice: 4,
      partition: 8_000,
      terminate: (instance) => world.terminate(instance),
    });
    const waiting = world.run(['wait', job, '--timeout', '8m']);
    const every = TASKS / (storm.left + 1);
    for (let blow = 1; storm.left > 0; blow += 1) {
      await until(`blow ${blow} is due`, () => world.published(job).length >= blow * every, 180_000);
      await until('an instance can be struck', () => storm.strike(), 180_000);
    }
    const waited = await waiting;
    storm.calm();
    expect(waited.code, `${waited.stderr}\n${storm.story.join('\n')}`).to.equal(0);
    await expectLaws(job, TASKS);
    await expectBackToZero();
    await expectNothingLeft();
    expect(await world.findDeniedCalls()).to.deep.equal([]);
  });

  it('rolls out a release in the middle of a job, a quarter at a time, and spends no attempt', async () => {
    const tasks = 500;
    // There is work throughout, for seven minutes on a slow machine: tasks become fast only once the release is out.
    const rolledOut = join(world.supervisor.directory, 'rolled-out');
    const job = await submit(
      'roll',
      tasks,
      `read n; [ -e '${rolledOut}' ] || sleep $((n > 250 ? 10 : 3)); echo "$n"`,
      '--no-scale',
    );
    await world.runSuccessfully('scale', '4', '--manual');
    await until('all four serve, and work', () => serving().length === 4 && world.published(job).length > 20, 180_000);
    const before = there().map(({ id }) => id);
    const others: number[] = [];
    world.cloud.grid.onLaunch(() => others.push(serving().length));
    expectExit(await world.runNext(['infra', 'release', '--roll', '--yes']));
    expect(world.published(job).length, 'the job goes on').to.be.below(tasks);
    writeFileSync(rolledOut, '');
    expect(serving().filter(({ id }) => before.includes(id))).to.deep.equal([]);
    expect(new Set(there().map(({ tags }) => tags['batchctl:release'])).size).to.equal(1);
    expect(others, 'in service as each new one starts').to.deep.equal([3, 3, 3, 3]);
    expectExit(await world.run(['wait', job, '--timeout', '4m']));
    await expectLaws(job, tasks);
    expect(await world.findDeniedCalls()).to.deep.equal([]);
  });
});
