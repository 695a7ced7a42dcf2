import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { GridWorld } from '../support/grid/grid-world.ts';
import { leftovers } from '../support/grid/leftovers.ts';
import { Storm } from '../support/grid/storm.ts';
import { until } from '../support/until.ts';

/** `BATCHCTL_GRID_SEED=17` strikes the same blows in the same order; the machine's speed decides whom they meet. */
const SEED = Number(process.env.BATCHCTL_GRID_SEED ?? Date.now() % 100_000);
const TASKS = Number(process.env.BATCHCTL_GRID_TASKS ?? 2_000);
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
  const submit = (name: string): Promise<string> => {
    world.write('job.json', {
      name,
      input: { split: { by: 'range', from: 1, to: TASKS } },
      // One attempt: whoever charges an interruption to the task fails it.
      steps: [{ name: 'work', run: 'read n; sleep 0.05; echo "$n"', attempts: 1, timeout: '60s' }],
    });
    return world.submit();
  };

  /** The laws, on what the store and the services hold, and in what order it came there. */
  const holds = async (job: string): Promise<void> => {
    const verified = await world.run(['verify', job]);
    expect(verified.code, verified.stderr + verified.stdout).to.equal(0);
    await world.well('fetch', job, '-o', 'all.txt');
    const lines = readFileSync(world.path('all.txt'), 'utf8').trimEnd().split('\n');
    expect(lines).to.deep.equal(Array.from({ length: TASKS }, (_, place) => String(place + 1)));
    const keys = await world.keys(`jobs/${job}/steps/work/`);
    const below = (folder: string) => keys.filter((key) => key.includes(`/work/${folder}/`));
    expect(below('out')).to.have.length(TASKS);
    expect(below('tries'), 'attempts charged').to.deep.equal([]);
    expect(below('failed')).to.deep.equal([]);
    const puts = world.cloud.calls.filter(
      ({ service, method, status }) => service === 's3' && method === 'PUT' && status === 200,
    );
    const published = puts.filter(({ url }) => url.pathname.includes(`/jobs/${job}/steps/work/out/`));
    expect(published, 'each output is published once').to.have.length(TASKS);
    const { stdout } = await world.well('status', job, '--json');
    const [step] = JSON.parse(stdout).steps;
    expect(step).to.include({ total: TASKS, done: TASKS, failed: 0, retried: 0 });
  };

  const backToZero = async (): Promise<void> => {
    await until('the group is empty', () => there().length === 0, 90_000);
    const { stdout } = await world.well('scale', '--json');
    expect(JSON.parse(stdout)).to.include({ desired: 0, running: 0 });
  };

  const nothingLeft = async (): Promise<void> => {
    const down = await world.run(['infra', 'down', '--delete-data', '--confirm', world.stack]);
    expect(down.code, down.stderr + down.stdout).to.equal(0);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
    expect(world.supervisor.troubles).to.deep.equal([]);
  };

  const t0=performance.now(); const T=(w: string)=>console.log(((performance.now()-t0)/1000).toFixed(1), w);
  it('runs a job from nothing to eight instances and back to nothing, whatever happens to them', async function () {
    console.log(`      BATCHCTL_GRID_SEED=${SEED}`);
    const job = await submit('storm');
    await until('work has raised the group', () => there().length > 0);
    await world.well('scale', '8', '--auto');
    T('scaled');
    const storm = new Storm({
      ...{ cloud: world.cloud, group: world.group, seed: SEED, every: 2_500, notice: 4, partition: 8_000 },
      terminate: (instance) => world.terminate(instance),
    });
    await until('all eight serve', () => serving().length === 8, 60_000);
    T('eight');
    const waited = await world.run(['wait', job, '--timeout', '8m']);
    storm.calm();
    T('waited'); console.log(storm.story.join('\n'), world.supervisor.starts);
    expect(waited.code, `${waited.stderr}\n${storm.story.join('\n')}`).to.equal(0);
    await holds(job);
    T('holds');
    await backToZero();T('zero')
    await nothingLeft();T('down')
  });
});
