// Protects: a job on AWS completes while instances die or a release rolls out, and the group returns to zero.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { GridWorld } from '../support/grid/grid-world.ts';
import { leftovers } from '../support/grid/leftovers.ts';
import { Storm } from '../support/grid/storm.ts';
import { until } from '../support/until.ts';

/** `BATCHCTL_GRID_SEED=17` strikes the same blows in the same order; the machine's speed decides whom they meet. */
const SEED = Number(process.env.BATCHCTL_GRID_SEED ?? Date.now() % 100_000);
const TASKS = Number(process.env.BATCHCTL_GRID_TASKS ?? 1_000);
/** Seconds without work after which a worker leaves. */
const IDLE = 6;

describe('the grid', function () {
  this.timeout(600_000);
  let world: GridWorld;

  beforeEach(async () => {
    world = await GridWorld.open(IDLE);
    await world.well('infra', 'up', '--yes');
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') console.error(world?.consoles());
    await world?.remove();
  });

  const there = () => world.cloud.grid.instances(world.group);
  const serving = () => there().filter(({ state }) => state === 'InService');
  const submit = (name: string, tasks: number, command: string, ...flags: readonly string[]): Promise<string> => {
    world.write('job.json', {
      name,
      input: { split: { by: 'range', from: 1, to: tasks } },
      // One attempt: whoever charges an interruption to the task fails it.
      steps: [{ name: 'work', run: command, attempts: 1, timeout: '60s' }],
    });
    return world.submit(...flags);
  };

  /** The laws, on what the store and the services hold, and in what order it came there. */
  const holds = async (job: string, tasks: number): Promise<void> => {
    const verified = await world.run(['verify', job]);
    expect(verified.code, verified.stderr + verified.stdout).to.equal(0);
    await world.well('fetch', job, '-o', 'all.txt');
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
    const { stdout } = await world.well('status', job, '--json');
    const [step] = JSON.parse(stdout).steps;
    expect(step).to.include({ total: tasks, done: tasks, failed: 0, retried: 0 });
  };

  const backToZero = async (): Promise<void> => {
    await until('the group is empty', () => there().length === 0, 180_000);
    const { stdout } = await world.well('scale', '--json');
    expect(JSON.parse(stdout)).to.include({ desired: 0, running: 0 });
  };

  const nothingLeft = async (): Promise<void> => {
    const down = await world.run(['infra', 'down', '--delete-data', '--confirm', world.stack]);
    expect(down.code, down.stderr + down.stdout).to.equal(0);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
    expect(world.supervisor.troubles).to.deep.equal([]);
  };

  it('runs a job from nothing to eight instances and back to nothing, whatever happens to them', async () => {
    console.log(`      BATCHCTL_GRID_SEED=${SEED}`);
    const job = await submit('storm', TASKS, 'read n; echo "$n"');
    await until('work has raised the group', () => there().length > 0);
    await world.well('scale', '8', '--auto');
    await until('all eight serve', () => serving().length === 8, 180_000);
    const storm = new Storm({
      ...{ cloud: world.cloud, group: world.group, seed: SEED, notice: 4, partition: 8_000 },
      terminate: (instance) => world.terminate(instance),
    });
    const waiting = world.run(['wait', job, '--timeout', '8m']);
    const every = TASKS / (storm.left + 1);
    for (let blow = 1; storm.left > 0; blow += 1) {
      await until(`blow ${blow} is due`, () => world.published(job).length >= blow * every, 180_000);
      await until('there is one to strike', () => storm.strike(), 180_000);
    }
    const waited = await waiting;
    storm.calm();
    expect(waited.code, `${waited.stderr}\n${storm.story.join('\n')}`).to.equal(0);
    await holds(job, TASKS);
    await backToZero();
    await nothingLeft();
    expect(await world.unallowed()).to.deep.equal([]);
  });

  it('rolls a release out in the middle of a job, a quarter at a time, and spends no attempt', async () => {
    const tasks = 500;
    // There is work all the time: only once the release is out it goes fast.
    const rolledOut = join(world.supervisor.directory, 'rolled-out');
    const job = await submit('roll', tasks, `read n; [ -e '${rolledOut}' ] || sleep 1; echo "$n"`, '--no-scale');
    await world.well('scale', '4');
    await until('all four serve, and work', () => serving().length === 4 && world.published(job).length > 20, 180_000);
    const before = there().map(({ id }) => id);
    const others: number[] = [];
    world.cloud.grid.onLaunch(() => others.push(serving().length));
    const rolled = await world.runNext(['infra', 'release', '--roll', '--yes']);
    expect(rolled.code, rolled.stderr).to.equal(0);
    expect(world.published(job).length, 'the job goes on').to.be.below(tasks);
    writeFileSync(rolledOut, '');
    expect(serving().filter(({ id }) => before.includes(id))).to.deep.equal([]);
    expect(new Set(there().map(({ tags }) => tags['batchctl:release'])).size).to.equal(1);
    expect(others, 'in service as each new one starts').to.deep.equal([3, 3, 3, 3]);
    const waited = await world.run(['wait', job, '--timeout', '4m']);
    expect(waited.code, waited.stderr).to.equal(0);
    await holds(job, tasks);
    expect(await world.unallowed()).to.deep.equal([]);
  });
});
