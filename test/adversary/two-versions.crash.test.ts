// Protects: beside a later version on one store, a command or worker runs nothing by rules that it lacks, harms no job that
// it can't read, names the version to install, and exits 0 only with results that the later version would give. Written
// from docs/proof.md, docs/states.md, docs/operations.md ("An upgrade under load") and ADR 61.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import type { Platform } from '../../src/ports/platform.ts';
import { Chance } from '../support/chance.ts';
import { forSuite } from '../support/fixture.ts';
import { LATER, laterProgram } from '../support/later-program.ts';
import { printedSeed } from '../support/sampling.ts';
import { Scratch } from '../support/scratch.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const STORES = 3;
const ACTIONS = 14;

interface Shape {
  readonly steps: readonly object[];
  /** What its last step publishes. */
  readonly gives: string;
  /** Whether its workers need a rule of the later version. */
  readonly isBeyond: boolean;
}

const HERE = 'here\nhere\nhere\n';
const SHAPES: Readonly<Record<string, Shape>> = {
  chain: {
    steps: [
      { name: 'up', run: 'tr a-z A-Z' },
      { name: 'end', run: ['sh', 'own.sh'] },
    ],
    gives: 'ONE\nTWO\nTHREE\n',
    isBeyond: false,
  },
  gather: {
    steps: [
      { name: 'bare', run: "tr -d '\\n'" },
      { name: 'all', gather: true, run: ['sh', 'own.sh'] },
    ],
    gives: 'one\ntwo\nthree',
    isBeyond: false,
  },
  explode: {
    steps: [
      { name: 'cut', output: 'files', explode: true, run: 'split -l 1 - "$BATCHCTL_OUTPUT_DIR/row-"' },
      { name: 'end', run: 'tr a-z A-Z' },
      { name: 'all', gather: true, run: ['sort'] },
    ],
    gives: 'ONE\nTHREE\nTWO\n',
    isBeyond: false,
  },
  place: { steps: [{ name: 'say', run: ['sh', 'own.sh', '{place}'] }], gives: HERE, isBeyond: true },
  'place, at the end': {
    steps: [
      { name: 'up', run: 'tr a-z A-Z' },
      { name: 'say', run: ['sh', 'own.sh', '{place}'] },
    ],
    gives: HERE,
    isBeyond: true,
  },
  // Fails, until a retry with another job file brings the rule.
  fixed: { steps: [{ name: 'say', attempts: 1, run: ['false'] }], gives: HERE, isBeyond: false },
};
const FIX = [{ name: 'say', attempts: 1, run: ['echo', '{place}'] }];

/** Of one job. With exit 0 they state something of it. */
const LOOKS = ['status', 'verify', 'verify --deep', 'history', 'report', 'tasks', 'failures', 'why', 'fetch'];
const DECISIONS = ['pause', 'resume', 'retry', 'cancel --yes', 'verify --repair', 'adjust --tolerate 1'];
/** Of all jobs. */
const SWEEPS = ['jobs', 'doctor', 'tick', 'prune --all --yes', 'ledger rebuild', 'queue', 'workers'];

interface Job {
  readonly id: string;
  readonly shape: Shape;
  readonly file: string;
  readonly data: string;
  /** Whether its job.json or an entry of its journal needs the later version. */
  beyond: boolean;
  cancelled: boolean;
  pruned: boolean;
}

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
        [2, () => this.#fix()],
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
    const n = this.#jobs.length;
    const [file, data] = [`job-${n}.json`, `in-${n}.txt`];
    this.#workspace.write(data, 'one\ntwo\nthree\n');
    this.#workspace.write('own.sh', `if [ $# -eq 0 ]; then cat; else echo "$1"; fi # ${n}\n`);
    await this.#asLater('upload', data, '--quiet');
    this.#writeJob(file, data, shape.steps);
    const words = ['submit', file, '--run-key', `key-${n}`, '--quiet'];
    const ended = await (byLater ? this.#asLater(...words) : this.#asPresent(...words));
    expect(ended.code, this.#told(ended)).to.equal(0);
    const { isBeyond: beyond } = shape;
    this.#jobs.push({ id: ended.stdout.trim(), shape, file, data, beyond, cancelled: false, pruned: false });
  }

  #writeJob(file: string, data: string, steps: readonly object[]): void {
    const input = { from: `store:${data}`, split: { by: 'lines', every: 1 } };
    this.#workspace.write(file, { name: 'shared', files: ['own.sh'], input, steps });
  }

  /** The later version retries with the rule in a job that had none. */
  async #fix(): Promise<void> {
    const job = this.#jobs.find(({ shape, beyond, cancelled, pruned }) => {
      return shape === SHAPES.fixed && !beyond && !cancelled && !pruned;
    });
    if (job === undefined) return;
    this.#writeJob('fix.json', job.data, FIX);
    const ended = await this.#asLater('retry', job.id, '--with', 'fix.json');
    // Refused if nothing failed.
    expect(ended.code, this.#told(ended)).to.be.oneOf([0, 7]);
    job.beyond = ended.code === 0;
  }

  async #presentWorks(): Promise<void> {
    const before = await this.#beyond();
    const ended = await this.#asPresent('worker', '--until-empty', '--slots', '2');
    expect(ended.code, this.#told(ended)).to.be.oneOf([0, 8]);
    if (ended.code === 8) expect(ended.stderr, this.#told(ended)).to.match(/too old|install/);
    await this.#expectUnharmed(before, ended);
    this.#count(ended);
  }

  async #laterWorks(): Promise<void> {
    const ended = await this.#asLater('worker', '--until-empty', '--slots', '2');
    expect(ended.code, this.#told(ended)).to.equal(0);
  }

  async #presentOn(words: string): Promise<void> {
    const job = this.#chance.pick(this.#jobs);
    const before = await this.#beyond();
    const [verb = '', ...flags] = words.split(' ');
    const output = this.#workspace.path('out.txt');
    rmSync(output, { force: true });
    const ended = await this.#asPresent(verb, job.id, ...flags, ...(verb === 'fetch' ? ['-o', output] : []));
    const told = this.#told(ended);
    await this.#expectUnharmed(before, ended);
    this.#count(ended);
    if (job.beyond) {
      expect(ended.code, told).to.equal(verb === 'why' ? 11 : 8);
      expect(ended.stderr + ended.stdout, told).to.include(`install batchctl ${LATER}`);
      expect(existsSync(output), told).to.equal(false);
      return;
    }
    expect(ended.code, told).to.be.oneOf([0, 4, 5, 6, 7, 8, 9, 11]);
    if (ended.code === 8) expect(ended.stderr, told).to.include('install');
    if (verb === 'fetch' && ended.code === 0) this.#expectTrue(readFileSync(output, 'utf8'), job, ended);
    if (verb === 'verify' && ended.code === 0) expect(job.shape, told).not.to.equal(SHAPES.fixed);
    if (verb === 'verify' && ended.code === 9) expect((await this.#asLater('verify', job.id)).code, told).to.equal(9);
    if (verb === 'cancel' && ended.code === 0) job.cancelled = true;
  }

  /** What was fetched is all of the result, or lines of it that are said not to be all. */
  #expectTrue(fetched: string, { shape: { gives } }: Job, ended: Ended): void {
    const told = this.#told(ended);
    if (!/not finished|given up|failed/.test(ended.stderr)) expect(fetched, told).to.equal(gives);
    else expect(gives.split('\n'), told).to.include.members(fetched.split('\n'));
  }

  async #presentSweeps(words: string): Promise<void> {
    const before = await this.#beyond();
    const ended = await this.#asPresent(...words.split(' '));
    expect(ended.code, this.#told(ended)).to.be.oneOf(words === 'doctor' ? [0, 3, 8, 11] : [0, 8]);
    await this.#expectUnharmed(before, ended);
    for (const job of this.#jobs) job.pruned ||= await this.#isThere(`jobs/${job.id}/pruned.json`);
    this.#count(ended);
  }

  /** The same line again: a run key never gets a second job because its first one can't be read. */
  async #presentSubmitsAgain(): Promise<void> {
    const at = this.#chance.whole(0, this.#jobs.length - 1);
    const job = this.#jobs[at] ?? expect.fail();
    const before = await this.#beyond();
    const ended = await this.#asPresent('submit', job.file, '--run-key', `key-${at}`, '--quiet');
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
    for (const { id, cancelled, pruned } of this.#jobs) if (!cancelled && !pruned) await this.#asLater('resume', id);
    await this.#laterWorks();
    for (const job of this.#jobs) {
      if (job.cancelled || job.pruned) continue;
      // A retry corrects the tasks that had failed by then; others may have failed since.
      if (job.shape === SHAPES.fixed) {
        this.#writeJob('fix.json', job.data, FIX);
        await this.#asLater('retry', job.id, '--with', 'fix.json');
        await this.#laterWorks();
      }
      const verified = await this.#asLater('verify', job.id, '--deep');
      expect(verified.code, this.#told(verified)).to.equal(0);
      const output = this.#workspace.path('end.txt');
      const fetched = await this.#asLater('fetch', job.id, '-o', output);
      expect(fetched.code, this.#told(fetched)).to.equal(0);
      expect(readFileSync(output, 'utf8'), this.#told(fetched)).to.equal(job.shape.gives);
    }
    const queue = await (this.#platform ?? expect.fail()).queue('default');
    // A task that failed for good is buried, too.
    const failing = this.#jobs.filter(({ shape }) => shape === SHAPES.fixed).map(({ id }) => id);
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
