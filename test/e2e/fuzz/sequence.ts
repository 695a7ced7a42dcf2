import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { countMessages, entryKinds, keysBelow } from '../../support/stored.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import { FuzzWorker } from './fuzz-worker.ts';
import { type JobFile, makeJob } from './job-maker.ts';
import { EXTENDING_VERBS, isAllowedError, VERBS, type Verb } from './operators.ts';
import type { Actor } from './scheduler.ts';
import { LEASE, type World } from './world.ts';

const RUN_KEY = 'fuzz';
/** Labels of acts that decide something. */
const DECIDING = /^put .*(\/(journal|out|failed)\/|opened\.json|open\/)|^(send|ack|bury)/;
const OPERATORS = 3;
/** Maximum number of rounds until nothing changes any more. */
const MOST_ROUNDS = 100;
/** The longest delay of a message, seconds (model/failure.ts). */
const LONGEST_DELAY = 310;

/** The events that people, machines and accidents cause in one job, in an order that the world's seed determines. */
export class Sequence {
  readonly #world: World;
  readonly #file: JobFile;
  readonly #verbs: typeof VERBS;
  readonly #keeper: { readonly actor: Actor; readonly watcher: JobWatcher };
  #workers: FuzzWorker[] = [];
  #operators: Actor[] = [];
  #job = '';

  /** `extended`: operators extend the job, too. */
  constructor(world: World, extended: boolean) {
    this.#world = world;
    this.#verbs = extended ? EXTENDING_VERBS : VERBS;
    this.#file = makeJob(world.chance, extended);
    const { actor, platform } = world.addActor('keeper');
    this.#keeper = {
      actor,
      watcher: new JobWatcher(platform, LEASE, (_, error) => actor.fail(error)),
    };
  }

  get job(): string {
    return this.#job;
  }

  get file(): JobFile {
    return this.#file;
  }

  /** Submits the job, again each time the submitter dies. */
  async submit(): Promise<void> {
    const world = this.#world;
    for (let n = 0; ; n += 1) {
      const { actor, platform } = world.addActor('submitter');
      if (n < 3 && world.chance.is(0.3)) actor.dieAt = world.chance.whole(1, 25);
      actor.begin(() => this.#submitBy(platform));
      await world.scheduler.drain((one) => one === actor);
      const claim = await world.store.read(`runs/${RUN_KEY}/0000.json`);
      if (claim === null) continue;
      this.#job = (JSON.parse(Buffer.from(claim).toString()) as { job: string }).job;
      world.log(`submitted ${this.#job}${actor.dead ? ', whose submitter died' : ''}`);
      return;
    }
  }

  async #submitBy(platform: Platform): Promise<void> {
    const { directory } = this.#world.services;
    const request = submissionRequest(this.#file(0), directory, { runKey: RUN_KEY });
    await submit(platform, await prepare(request, platform.store), { mode: 'new', notBefore: null });
  }

  /** Makes random events happen. */
  async runActions(actions: number): Promise<void> {
    const { chance, scheduler, services } = this.#world;
    for (let n = 0; n < actions; n += 1) {
      const act = chance.weighted<() => unknown>([
        [40, async () => this.#steps(chance.whole(1, 20))],
        [20, () => this.#operate()],
        [8, () => this.#progress()],
        [14, async () => (await this.#someWorker()).poll()],
        [6, async () => (await this.#someWorker()).beat()],
        [3, async () => (await this.#someWorker()).look(chance.is(0.5))],
        [3, () => this.#keeper.actor.begin(() => this.#keeper.watcher.round(chance.is(0.5)))],
        [5, () => services.clock.pass(chance.whole(1, 8))],
        [2, () => services.clock.pass(chance.whole(LEASE, 5 * LEASE))],
        [6, () => this.#freeze()],
        [4, () => this.#thaw()],
        [2, () => this.#killWorker()],
        [1, () => this.#loseMessage()],
        [0.3, () => this.#loseLedger()],
      ]);
      await act();
    }
    await this.#steps(chance.whole(0, 60));
    this.#world.log(`all events took ${scheduler.acts} acts`);
  }

  /** Runs a verb to its end unless it is killed. Returns the error that it threw, or null. */
  async runVerb(name: string, verb: Verb, dieAt: number | null = null): Promise<unknown> {
    const actor = this.#begin(name, verb);
    actor.dieAt = dieAt;
    await this.#world.scheduler.drain((one) => one === actor);
    await this.#world.scheduler.quiet(actor);
    return actor.ended;
  }

  /** Lets all actors work until nothing changes any more; false if there is no end. */
  async rest(): Promise<boolean> {
    const { scheduler, services } = this.#world;
    for (const actor of scheduler.actors) actor.frozen = false;
    let [last, still] = ['', 0];
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      await scheduler.drain();
      if (this.#workers.every(({ actor }) => actor.dead)) this.#workers = [await FuzzWorker.start(this.#world)];
      await this.#workAll();
      this.#keeper.actor.begin(() => this.#keeper.watcher.round(true));
      await scheduler.drain();
      const { text, resends, queued } = await this.#fingerprint();
      still = text === last && queued === 0 ? still + 1 : 0;
      if (still === 3) return true;
      last = text;
      services.clock.pass(LONGEST_DELAY + 2 * LEASE * 2 ** Math.min(resends, 10));
    }
    return false;
  }

  /** Workers do most of the available work. */
  async #progress(): Promise<void> {
    const { chance, services } = this.#world;
    if (chance.is(0.5)) services.clock.pass(chance.whole(1, 5));
    for (let n = chance.whole(1, 3); n > 0; n -= 1) {
      (await this.#someWorker()).poll();
      await this.#steps(chance.whole(20, 150));
    }
  }

  async #workAll(): Promise<void> {
    const { scheduler, services } = this.#world;
    for (const worker of this.#workers) worker.beat();
    await scheduler.drain();
    for (let polls = 0; polls < 50 && (await services.queue.backlog()).visible > 0; polls += 1) {
      for (const worker of this.#workers) worker.poll();
      await scheduler.drain();
    }
  }

  async #fingerprint(): Promise<{ readonly text: string; readonly resends: number; readonly queued: number }> {
    const { store, services } = this.#world;
    const keys = (await keysBelow(store, 'jobs/', 'open/')).filter((key) => !/\/(log|proofs)\//.test(key));
    const resends = (await entryKinds(store, this.#job)).filter((what) => what === 'resend').length;
    return { text: keys.join('\n'), resends, queued: await countMessages(services.queue) };
  }

  async #steps(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) if (!(await this.#world.scheduler.step())) return;
  }

  #operate(): void {
    const { chance } = this.#world;
    this.#operators = this.#operators.filter((actor) => actor.busy());
    if (this.#operators.length >= OPERATORS) return;
    const [, name, verb] = chance.weighted(this.#verbs.map((entry) => [entry[0], entry] as const));
    const actor = this.#begin(name, verb);
    if (chance.is(0.25)) actor.dieAt = chance.whole(1, 40);
    this.#operators.push(actor);
  }

  #begin(name: string, verb: Verb): Actor {
    const world = this.#world;
    const { actor, platform } = world.addActor('op');
    world.log(`${actor.name}: ${name}`);
    const job = { platform, store: world.store, job: this.#job, file: this.#file, chance: world.chance };
    actor.begin(async () => {
      try {
        await verb(job);
        world.log(`${actor.name} is done`);
      } catch (error) {
        world.log(`${actor.name} fails: ${error instanceof Error ? error.message : String(error)}`);
        actor.ended = error;
        throw error;
      }
    }, isAllowedError);
    return actor;
  }

  async #someWorker(): Promise<FuzzWorker> {
    const { chance } = this.#world;
    const alive = this.#workers.filter(({ actor }) => !actor.dead && !actor.frozen);
    if (alive.length === 0 || (alive.length < 3 && chance.is(0.1))) {
      const worker = await FuzzWorker.start(this.#world);
      this.#workers.push(worker);
      return worker;
    }
    return chance.pick(alive);
  }

  #freeze(): void {
    const { chance, services, scheduler } = this.#world;
    const busy = scheduler.actors.filter((actor) => !actor.dead && !actor.frozen && actor.pending.length > 0);
    if (busy.length === 0) return;
    // Most useful right before a decision, so that others decide differently in the meantime.
    const deciding = busy.filter(({ pending }) => pending.some(({ label }) => DECIDING.test(label)));
    const actor = chance.pick(deciding.length > 0 && chance.is(0.7) ? deciding : busy);
    actor.frozen = true;
    this.#world.log(`${actor.name} freezes at ${actor.pending.map(({ label }) => label).join(', ')}`);
    if (chance.is(0.7)) services.clock.pass(LEASE + 1);
  }

  #thaw(): void {
    const { chance, scheduler } = this.#world;
    const frozen = scheduler.actors.filter((actor) => actor.frozen);
    if (frozen.length === 0) return;
    const actor = chance.pick(frozen);
    actor.frozen = false;
    this.#world.log(`${actor.name} continues`);
    const worker = this.#workers.find((one) => one.actor === actor);
    if (chance.is(0.5)) worker?.beat();
  }

  #killWorker(): void {
    const { chance } = this.#world;
    const alive = this.#workers.filter(({ actor }) => !actor.dead);
    if (alive.length === 0) return;
    const { actor } = chance.pick(alive);
    this.#world.log(`${actor.name} is killed at ${actor.pending.map(({ label }) => label).join(', ')}`);
    actor.kill();
  }

  async #loseMessage(): Promise<void> {
    const { chance, services } = this.#world;
    const task = chance.whole(0, 3);
    const lost = await services.queue.purge({ match: (body) => body.includes(`"task":${task}`) });
    this.#world.log(`${lost} messages of tasks ${task} are lost`);
  }

  async #loseLedger(): Promise<void> {
    this.#world.ledger = await this.#world.services.newLedger();
    this.#world.log('the ledger is lost');
  }
}
