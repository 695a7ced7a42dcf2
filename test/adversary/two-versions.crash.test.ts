// Protects: beside a later version on one store, a command or worker runs nothing by rules that it lacks, harms no job that
// it can't read, names the version to install, and exits 0 only with results that the later version would give. Written
// from docs/proof.md, docs/states.md, docs/operations.md ("An upgrade under load") and ADR 61.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import type { Platform } from '../../src/ports/platform.ts';
import { Chance } from '../support/chance.ts';
import { forSuite } from '../support/fixture.ts';
import { LATER, laterProgram } from '../support/later-program.ts';
import { withEnvironment } from '../support/run/environment.ts';
import { printedSeed } from '../support/sampling.ts';
import { Scratch } from '../support/scratch.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';
import { DECISIONS, LINES, LOOKS, SHAPES, type Shape, SWEEPS } from './shared-jobs.ts';

const STORES = 2;
const ACTIONS = 12;

const WORK = ['worker', '--until-empty', '--slots', '2'];

interface Job {
  readonly id: string;
  readonly shape: Shape;
  readonly file: string;
  readonly data: string;
  /** Its run key; null for one that a schedule fired. */
  readonly key: string | null;
  /** Whether its job.json or an entry of its journal needs the later version. */
  beyond: boolean;
  cancelled: boolean;
  pruned: boolean;
  skipped: boolean;
}

type NewJob = Pick<Job, 'shape' | 'file' | 'data' | 'key' | 'beyond'>;

describe('two versions on one store', () => {
  const scratch = forSuite(() => new Scratch());
  let later: string;
  before(async () => {
    later = await laterProgram(scratch.directory);
  });

  it('the present one harms no job of the later one, and both give the same results', async () => {
    const seed = printedSeed(`${STORES} stores, ${ACTIONS} actions each`);
    const seen = { done: 0, refused: 0 };
    for (let n = 0; n < STORES; n += 1) {
      const shared = await SharedStore.open(seed + n, later);
      try {
        await shared.play();
        seen.done += shared.done;
        seen.refused += shared.refused;
      } finally {
        await shared.remove();
      }
    }
    console.log(`      the present version did ${seen.done} commands, and left ${seen.refused} to the later one`);
    expect([seen.done > 0, seen.refused > 0], 'both ends were seen').to.deep.equal([true, true]);
  });
}).timeout(900_000);

const firstStep = ({ shape }: Job): string => (shape.steps[0] as { readonly name: string }).name;

class SharedStore {
  done = 0;
  refused = 0;
  readonly #chance: Chance;
  readonly #later: string;
  readonly #workspace = Workspace.withLongLeases();
  readonly #jobs: Job[] = [];
  readonly #story: string[];
  #platform: Platform | null = null;
  /** Seconds. Each action is later than the one before, so that returned tasks are due again. */
  #ahead = 0;

  private constructor(seed: number, later: string) {
    this.#chance = new Chance(seed);
    this.#later = later;
    this.#story = [`seed ${seed}`];
  }

  static async open(seed: number, later: string): Promise<SharedStore> {
    const store = new SharedStore(seed, later);
    store.#platform = await store.#workspace.platform();
    return store;
  }

  remove(): Promise<void> {
    return this.#workspace.remove();
  }

  /** Random actions of both versions; then the later one finishes everything, and proves it. */
  async play(): Promise<void> {
    for (const shape of ['place', 'chain']) await this.#submit(shape, true);
    for (let n = 0; n < ACTIONS; n += 1) {
      const act = this.#chance.weighted<() => Promise<unknown>>([
        [3, () => this.#submit(this.#chance.pick(Object.keys(SHAPES)), this.#chance.is(0.6))],
        [4, () => this.#presentWorks()],
        [2, () => this.#laterWorks()],
        [3, () => this.#bothWork()],
        [2, () => this.#exchange()],
        [2, () => this.#fix()],
        [2, () => this.#schedule()],
        [1, () => this.#laterSubmitsBesidePresent()],
        [2, () => this.#misdeliver(this.#chance.pick(['lost', 'twice', 'late']))],
        [1, () => this.#keep(this.#chance.is(0.5))],
        [2, () => this.#laterOn(this.#chance.pick(DECISIONS))],
        [1, () => this.#laterSweeps(this.#chance.pick(['tick', 'prune --all --yes', 'ledger rebuild']))],
        [4, () => this.#presentOn(this.#chance.pick(LOOKS))],
        [3, () => this.#presentOn(this.#chance.pick(DECISIONS))],
        [4, () => this.#presentSweeps(this.#chance.pick(SWEEPS))],
        [1, () => this.#presentSubmitsAgain()],
        [1, () => this.#presentRemovesData()],
      ]);
      await act();
    }
    await this.#finish();
  }

  async #submit(name: string, byLater: boolean): Promise<void> {
    const shape = SHAPES[name] ?? expect.fail(name);
    if (shape.isBeyond && !byLater) return;
    const job = await this.#prepare(name);
    const words = ['submit', job.file, '--run-key', `${job.key}`, '--quiet'];
    const ended = await (byLater ? this.#asLater(...words) : this.#asPresent(...words));
    expect(ended.code, this.#told(ended)).to.equal(0);
    this.#add(ended.stdout.trim(), job);
  }

  /** Writes the files of the next job, and uploads its input. */
  async #prepare(name: string): Promise<NewJob> {
    const shape = SHAPES[name] ?? expect.fail(name);
    const n = this.#jobs.length;
    const [file, data] = [`job-${n}.json`, `in-${n}.txt`];
    this.#workspace.write(data, `${(shape.lines ?? LINES).join('\n')}\n`);
    this.#workspace.write('own.sh', `if [ $# -eq 0 ]; then cat; else echo "$1"; fi # ${n}\n`);
    await this.#asLater('upload', data, '--quiet');
    this.#writeJob(file, data, shape.steps, shape.more);
    return { shape, file, data, key: `key-${n}`, beyond: shape.isBeyond };
  }

  #add(id: string, job: NewJob): void {
    this.#jobs.push({ id, ...job, cancelled: false, pruned: false, skipped: false });
  }

  #writeJob(file: string, data: string, steps: readonly object[], more: object = {}): void {
    const input = { from: `store:${data}`, split: { by: 'lines', every: 1 } };
    this.#workspace.write(file, { name: 'shared', files: ['own.sh'], input, steps, ...more });
  }

  /** The later version retries with the rule in a job that had none. */
  async #fix(): Promise<void> {
    const job = this.#jobs.find(({ shape, beyond, cancelled, pruned }) => {
      return shape === SHAPES.fixed && !beyond && !cancelled && !pruned;
    });
    if (job === undefined) return;
    const ended = await this.#correct(job);
    // Refused if nothing failed.
    expect(ended.code, this.#told(ended)).to.be.oneOf([0, 7]);
    job.beyond = ended.code === 0;
  }

  #correct({ id, data, shape }: Job): Promise<Ended> {
    this.#writeJob('fix.json', data, shape.fix ?? expect.fail(), shape.more);
    return this.#asLater('retry', id, '--with', 'fix.json');
  }

  async #presentWorks(): Promise<void> {
    const before = await this.#beyond();
    const ended = await this.#asPresent(...WORK);
    expect(ended.code, this.#told(ended)).to.be.oneOf([0, 8]);
    if (ended.code === 8) expect(ended.stderr, this.#told(ended)).to.match(/too old|install/);
    await this.#expectUnharmed(before, ended);
    this.#count(ended);
  }

  async #laterWorks(): Promise<void> {
    const ended = await this.#asLater(...WORK);
    expect(ended.code, this.#told(ended)).to.equal(0);
  }

  /** Workers of both take tasks from one queue. */
  async #bothWork(): Promise<void> {
    const isAny = this.#jobs.some(({ beyond }) => beyond);
    const words = ['worker', '--until-empty', '--slots', '1'];
    const env = this.#now();
    const [present, later] = await Promise.all([
      this.#workspace.start(words, env).ended,
      this.#workspace.start(words, env, null, this.#later).ended,
    ]);
    this.#story.push(`both: worker: ${present.code}, ${later.code}`);
    expect(present.code, this.#told(present)).to.be.oneOf(isAny ? [0, 8] : [0]);
    expect(later.code, this.#told(later)).to.equal(0);
    this.#count(present);
  }

  /** A worker of one version is killed at work. When its lease has expired, one of the other version takes its tasks. */
  async #exchange(): Promise<void> {
    const byLater = this.#chance.is(0.5);
    const before = await this.#beyond();
    const running = this.#workspace.start(WORK, this.#now(), null, byLater ? this.#later : undefined);
    let over = false;
    const ending = running.ended.finally(() => {
      over = true;
    });
    const outputs = await this.#countOutputs();
    await until('it published, or ended', async () => over || (await this.#countOutputs()) > outputs);
    running.child.kill('SIGKILL');
    const ended = await ending;
    this.#story.push(`${byLater ? 'later' : 'present'}: worker: ${ended.signal ?? ended.code}`);
    if (!byLater) await this.#expectUnharmed(before, ended);
    await (byLater ? this.#presentWorks() : this.#laterWorks());
  }

  /** Messages are lost, sent once more, or return late. A person of either version sends what is missing. */
  async #misdeliver(how: 'lost' | 'twice' | 'late'): Promise<void> {
    const jobs = await withEnvironment(this.#now(), async () => {
      const platform = await this.#workspace.platform();
      const queue = await platform.queue('default');
      const taken = await queue.receive({ max: 2, waitSeconds: 0 });
      const messages = taken.map(({ body }) => ({ body, tenant: String(JSON.parse(body).job) }));
      if (how === 'twice') await queue.send([...messages, ...messages]);
      // What is late returns when its lease has expired.
      if (how !== 'late') await queue.ack(taken.map(({ receipt }) => receipt));
      return [...new Set(messages.map(({ tenant }) => tenant))];
    });
    this.#story.push(`messages ${how}: ${jobs?.join(', ')}`);
    if (how !== 'lost') return;
    for (const { id, beyond } of this.#jobs.filter(({ id }) => jobs?.includes(id))) {
      const act = beyond || this.#chance.is(0.5) ? this.#asLater.bind(this) : this.#asPresent.bind(this);
      for (const verb of ['pause', 'resume']) await act(verb, id);
    }
  }

  /** A manager of one version runs while a worker of the other one works. */
  async #keep(byLater: boolean): Promise<void> {
    const [mine, other] = byLater ? [this.#later, undefined] : [undefined, this.#later];
    const env = this.#now();
    const manager = this.#workspace.start(['manager', '--listen', '127.0.0.1:0'], env, null, mine);
    await until('it listens', () => manager.printed().includes('listening'));
    const worker = await this.#workspace.start(WORK, env, null, other).ended;
    manager.child.kill('SIGINT');
    const ended = await manager.ended;
    this.#story.push(`${byLater ? 'later' : 'present'}: manager: ${ended.code}, beside a worker: ${worker.code}`);
    expect(ended.code, this.#told(ended)).to.equal(0);
    expect(worker.code, this.#told(worker)).to.be.oneOf(byLater ? [0, 8] : [0]);
  }

  async #countOutputs(): Promise<number> {
    const { store } = this.#platform ?? expect.fail();
    let count = 0;
    for await (const key of store.keys('jobs/')) if (key.includes('/out/')) count += 1;
    return count;
  }

  /** The later version adds a schedule. Whichever version fires it, the job has the rules that it needs. */
  async #schedule(): Promise<void> {
    const schedule = `every-${this.#jobs.length}`;
    const job = await this.#prepare(this.#chance.pick(['place', 'chain', 'gather']));
    const added = await this.#asLater('schedule', 'add', schedule, job.file, '--cron', '* * * * *');
    expect(added.code, this.#told(added)).to.equal(0);
    const before = await this.#beyond();
    const ticked = await this.#asPresent('tick');
    await this.#expectUnharmed(before, ticked);
    this.#count(ticked);
    if (job.beyond) {
      expect(ticked.code, this.#told(ticked)).to.equal(8);
      expect(ticked.stderr, this.#told(ticked)).to.include(`schedule ${schedule}`).and.include(LATER);
      expect(await this.#firedBy(schedule), this.#told(ticked)).to.deep.equal([]);
      await this.#asLater('tick');
    }
    const removed = await this.#asLater('schedule', 'rm', schedule, '--yes');
    expect(removed.code, this.#told(removed)).to.equal(0);
    const fired = await this.#firedBy(schedule);
    expect(fired.length, this.#told(ticked)).to.be.above(0);
    for (const id of fired) this.#add(id, { ...job, key: null });
  }

  async #firedBy(schedule: string): Promise<readonly string[]> {
    const { store } = this.#platform ?? expect.fail();
    const ids: string[] = [];
    for await (const key of store.keys(`runs/${schedule}@`))
      ids.push(JSON.parse(Buffer.from((await store.read(key)) ?? expect.fail()).toString()).job);
    return ids;
  }

  /** As long as no live worker has the rules of a job, `submit` refuses it. */
  async #laterSubmitsBesidePresent(): Promise<void> {
    const job = await this.#prepare('place');
    const env = this.#now();
    const present = this.#workspace.start(['worker', '--slots', '1'], env);
    let left = false;
    void present.ended.then(() => {
      left = true;
    });
    const ledger = await (this.#platform ?? expect.fail()).ledger();
    const at = Date.now() + this.#ahead * 1_000;
    await until('it is known, or has left', async () => {
      const known = await ledger.workers({});
      return left || known.some(({ seenAt }) => seenAt >= at - 5_000);
    });
    const words = ['submit', job.file, '--run-key', `${job.key}`, '--quiet'];
    const ended = await this.#workspace.start(words, env, null, this.#later).ended;
    const isThere = !left;
    present.child.kill('SIGTERM');
    const stopped = await present.ended;
    this.#story.push(`later: submit ${job.file} beside a present worker: ${ended.code}, which ended: ${stopped.code}`);
    expect(stopped.code, this.#told(stopped)).to.be.oneOf([0, 8]);
    expect(ended.code, this.#told(ended)).to.be.oneOf(isThere ? [7] : [0, 7]);
    if (ended.code === 0) this.#add(ended.stdout.trim(), job);
    else expect(ended.stderr, this.#told(ended)).to.include(`needs workers of batchctl ${LATER} or later`);
  }

  async #presentOn(line: string): Promise<void> {
    const job = this.#chance.pick(this.#jobs);
    const before = await this.#beyond();
    const words = line.replace('FIRST', firstStep(job)).replace('FILE', job.file);
    const [verb = '', ...flags] = words.split(' ');
    const output = this.#workspace.path('out.txt');
    rmSync(output, { force: true });
    const takesOutput = verb === 'fetch' || verb === 'run';
    const ended = await this.#asPresent(verb, job.id, ...flags, ...(takesOutput ? ['-o', output] : []));
    const told = this.#told(ended);
    await this.#expectUnharmed(before, ended);
    this.#count(ended);
    if (job.beyond) {
      expect(ended.code, told).to.equal(verb === 'why' ? 11 : 8);
      expect(ended.stderr + ended.stdout, told).to.include(`install batchctl ${LATER}`);
      expect(existsSync(output), told).to.equal(false);
      return;
    }
    expect(ended.code, told).to.be.oneOf([0, 3, 4, 5, 6, 7, 8, 9, 11]);
    if (ended.code === 8) expect(ended.stderr, told).to.include('install');
    if (verb === 'skip' && ended.code === 0) job.skipped = true;
    if (takesOutput && ended.code === 0) this.#expectTrue(readFileSync(output, 'utf8'), job, ended);
    if (verb === 'verify' && ended.code === 0) expect(job.shape, told).not.to.equal(SHAPES.fixed);
    if (verb === 'verify' && ended.code === 9) expect((await this.#asLater('verify', job.id)).code, told).to.equal(9);
    if (verb === 'cancel' && ended.code === 0) job.cancelled = true;
  }

  async #laterOn(line: string): Promise<void> {
    const job = this.#chance.pick(this.#jobs);
    const [verb = '', ...flags] = line.replace('FIRST', firstStep(job)).replace('FILE', job.file).split(' ');
    const ended = await this.#asLater(verb, job.id, ...flags);
    expect(ended.code, this.#told(ended)).to.be.oneOf([0, 3, 4, 5, 6, 7, 9, 11]);
    if (verb === 'skip' && ended.code === 0) job.skipped = true;
    if (verb === 'cancel' && ended.code === 0) job.cancelled = true;
  }

  async #laterSweeps(words: string): Promise<void> {
    const ended = await this.#asLater(...words.split(' '));
    expect(ended.code, this.#told(ended)).to.equal(0);
    await this.#seePruned();
  }

  async #seePruned(): Promise<void> {
    for (const job of this.#jobs) job.pruned ||= await this.#isThere(`jobs/${job.id}/pruned.json`);
  }

  /** What was fetched is all of the result, or lines of it that are said not to be all. */
  #expectTrue(fetched: string, { shape: { gives }, skipped }: Job, ended: Ended): void {
    if (skipped) return;
    const told = this.#told(ended);
    if (!/not finished|given up|failed/.test(ended.stderr)) expect(fetched, told).to.equal(gives);
    else expect(gives.split('\n'), told).to.include.members(fetched.split('\n'));
  }

  async #presentSweeps(words: string): Promise<void> {
    const before = await this.#beyond();
    const ended = await this.#asPresent(...words.split(' '));
    expect(ended.code, this.#told(ended)).to.be.oneOf(words === 'doctor' ? [0, 3, 8, 11] : [0, 8]);
    await this.#expectUnharmed(before, ended);
    await this.#seePruned();
    this.#count(ended);
  }

  /** The same line again: a run key never gets a second job because its first one can't be read. */
  async #presentSubmitsAgain(): Promise<void> {
    const job = this.#chance.pick(this.#jobs.filter(({ key }) => key !== null));
    const before = await this.#beyond();
    const ended = await this.#asPresent('submit', job.file, '--run-key', `${job.key}`, '--quiet');
    await this.#expectUnharmed(before, ended);
    expect(ended.code, this.#told(ended)).to.be.oneOf(job.beyond ? [7, 8] : [0, 5, 7, 8]);
    if (ended.code === 0) expect(ended.stdout.trim(), this.#told(ended)).to.equal(job.id);
    this.#count(ended);
  }

  /** What an open job reads stays, also if the job can't be read. */
  async #presentRemovesData(): Promise<void> {
    const job = this.#chance.pick(this.#jobs.filter(({ beyond }) => beyond));
    const isOpen = await this.#isThere(`open/${job.id}.0`);
    const ended = await this.#asPresent('rm', job.data, '--yes');
    expect(ended.code, this.#told(ended)).to.be.oneOf(isOpen ? [7, 8] : [0, 7, 8]);
    if (ended.code === 0) await this.#asLater('upload', job.data, '--quiet');
    this.#count(ended);
  }

  async #finish(): Promise<void> {
    for (const { id, cancelled, pruned } of this.#jobs) {
      if (!cancelled && !pruned) for (const verb of ['pause', 'resume']) await this.#asLater(verb, id);
    }
    await this.#laterWorks();
    for (const job of this.#jobs) {
      if (job.cancelled || job.pruned) continue;
      // A retry corrects the tasks that had failed by then. Others may fail since, and pause the job again.
      for (let n = 0; n < 2 && job.shape.fix !== undefined; n += 1) {
        await this.#correct(job);
        await this.#asLater('resume', job.id);
        await this.#laterWorks();
      }
      if (job.shape === SHAPES.total) await this.#asLater('adjust', job.id, '--accept', '1', '--reason', 'known');
      if (job.skipped) await this.#asLater('skip', job.id, '--task', `${firstStep(job)}/1`, '--undo');
      await this.#laterWorks();
      const verified = await this.#asLater('verify', job.id, '--deep');
      expect(verified.code, this.#told(verified)).to.equal(0);
      const output = this.#workspace.path('end.txt');
      const fetched = await this.#asLater('fetch', job.id, '-o', output);
      expect(fetched.code, this.#told(fetched)).to.equal(0);
      const result = readFileSync(output, 'utf8');
      if (!job.skipped) expect(result, this.#told(fetched)).to.equal(job.shape.gives);
      if (job.beyond) continue;
      for (const words of [
        ['verify', job.id, '--deep'],
        ['fetch', job.id, '-o', output],
      ]) {
        const again = await this.#asPresent(...words);
        // Outputs of later workers have a later format.
        expect(again.code, this.#told(again)).to.be.oneOf([0, 8]);
        if (again.code === 8) expect(again.stderr, this.#told(again)).to.include('install');
      }
      expect(readFileSync(output, 'utf8'), this.#told()).to.equal(result);
    }
    const queue = await (this.#platform ?? expect.fail()).queue('default');
    // A task that failed for good is buried, too.
    const { tolerated } = SHAPES;
    const failing = this.#jobs
      .filter(({ shape }) => shape.fix !== undefined || shape === tolerated)
      .map(({ id }) => id);
    for await (const { body } of queue.dead())
      if (!failing.includes(JSON.parse(body).job)) expect.fail(`${this.#told()}: buried ${body}`);
  }

  /** Everything that belongs to jobs that the present version can't read, with what it holds. */
  async #beyond(): Promise<ReadonlyMap<string, string>> {
    const { store } = this.#platform ?? expect.fail();
    const objects = new Map<string, string>();
    for (const job of this.#jobs.filter(({ beyond, cancelled }) => beyond && !cancelled)) {
      const record = JSON.parse(Buffer.from((await store.read(`jobs/${job.id}/job.json`)) ?? expect.fail()).toString());
      const prefixes = [`jobs/${job.id}/`, `open/${job.id}`, `data/${job.data}`, `code/${record.code}`];
      for (const prefix of [...prefixes, `runs/${record.runKey}/`])
        for await (const { key, etag } of store.list(prefix)) objects.set(key, etag);
    }
    return objects;
  }

  async #expectUnharmed(before: ReadonlyMap<string, string>, ended: Ended): Promise<void> {
    const after = await this.#beyond();
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key) !== after.get(key),
    );
    expect(changed, this.#told(ended)).to.deep.equal([]);
  }

  async #isThere(key: string): Promise<boolean> {
    return (await (this.#platform ?? expect.fail()).store.head(key)) !== null;
  }

  #count({ code }: Ended): void {
    if (code === 8) this.refused += 1;
    else this.done += 1;
  }

  async #asPresent(...words: readonly string[]): Promise<Ended> {
    const ended = await this.#workspace.run(words, this.#now());
    this.#story.push(`present: ${words.join(' ')}: ${ended.code}`);
    return ended;
  }

  async #asLater(...words: readonly string[]): Promise<Ended> {
    const ended = await this.#workspace.start(words, this.#now(), null, this.#later).ended;
    this.#story.push(`later: ${words.join(' ')}: ${ended.code}`);
    return ended;
  }

  #now(): Readonly<Record<string, string>> {
    this.#ahead += 120;
    return { BATCHCTL_TEST_AHEAD_SECONDS: String(this.#ahead) };
  }

  #told(ended?: Ended): string {
    return `${this.#story.join('\n')}\n${ended?.stderr ?? ''}${ended?.stdout ?? ''}`;
  }
}
