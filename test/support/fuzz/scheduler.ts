import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from './chance.ts';

/** Something an actor is about to do to the world. */
interface Held {
  readonly label: string;
  readonly go: () => void;
  readonly die: (killed: Error) => void;
}

/** Turns of the event loop, then milliseconds, that whoever was let go on has to come to its next act or its end. */
const TURNS = 50;
const PATIENCE_MS = 5_000;

/**
 * Lets actors (an operator's verb, a worker) go on one act at a time, in an order that a seed decides: every read and
 * write of store, queue and ledger, and every command, waits at a gate. So any interleaving can come up, an actor can
 * die between any two acts, and the same seed gives the same run.
 */
export class Scheduler {
  readonly #chance: Chance;
  readonly actors: Actor[] = [];
  /** Acts so far: the world's own time. */
  acts = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  actor(name: string): Actor {
    const actor = new Actor(name);
    this.actors.push(actor);
    return actor;
  }

  /** Lets one act of one actor happen; false when nobody wants to do anything. */
  async step(which: (actor: Actor) => boolean = () => true): Promise<boolean> {
    const able = (actor: Actor): boolean => !actor.frozen && actor.held.length > 0 && which(actor);
    let ready = this.actors.filter(able);
    if (ready.length === 0) {
      // Some may be on their way to their next act.
      for (const actor of this.actors) if (!actor.frozen && actor.busy() && which(actor)) await this.quiet(actor);
      ready = this.actors.filter(able);
    }
    if (ready.length === 0) return false;
    const actor = this.#chance.pick(ready);
    const [held] = actor.held.splice(this.#chance.whole(0, actor.held.length - 1), 1);
    this.acts += 1;
    actor.acts += 1;
    held?.go();
    await this.quiet(actor);
    if (actor.dieAt !== null && actor.acts >= actor.dieAt) actor.kill();
    return true;
  }

  /** Lets acts happen until nobody wants to do anything. */
  async drain(which: (actor: Actor) => boolean = () => true, most = 20_000): Promise<void> {
    for (let n = 0; await this.step(which); n += 1) {
      if (n > most) throw new Error(`no end after ${most} acts: ${this.actors.map((a) => a.name).join(', ')}`);
    }
  }

  /** Waits until the actor stands at a gate again, or has nothing more to do. */
  async quiet(actor: Actor): Promise<void> {
    for (let n = 0; ; n += 1) {
      await setImmediate();
      if (actor.inside === 0 && (actor.held.length > 0 || !actor.busy()) && !usesFiles()) return;
      if (n > TURNS + PATIENCE_MS) throw new Error(`${actor.name} neither acts nor ends after ${actor.trace.at(-1)}`);
      if (n > TURNS) await sleep(1);
    }
  }
}

/** Files are read and written by threads: the same seed must not find them done at one time, and under way at another. */
function usesFiles(): boolean {
  return process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq'));
}

/** Whoever acts in the world. Dead: never goes on; frozen: not now. */
export class Actor {
  readonly name: string;
  readonly held: Held[] = [];
  frozen = false;
  dead = false;
  /** Acts so far; at so many it is killed. */
  acts = 0;
  dieAt: number | null = null;
  /** Acts that are being done. */
  inside = 0;
  /** Threads of work that aren't over. */
  threads = 0;
  /** The last acts, for whoever reads a failure. */
  readonly trace: string[] = [];
  /** What it ended with that nobody may end with. */
  readonly errors: unknown[] = [];
  /** What it threw, expected or not. */
  ended: unknown = null;
  /** Work besides the threads that it began itself. */
  alsoBusy: () => boolean = () => false;

  constructor(name: string) {
    this.name = name;
  }

  busy(): boolean {
    return !this.dead && (this.threads > 0 || this.alsoBusy());
  }

  /** Waits for its turn, then acts. */
  async act<T>(label: string, work: () => Promise<T>): Promise<T> {
    await this.turn(label);
    this.inside += 1;
    try {
      return await work();
    } finally {
      this.inside -= 1;
    }
  }

  /** Resolves when it may go on; rejects once it is dead, so that whatever it holds open here is closed. */
  turn(label: string): Promise<void> {
    if (this.dead) return Promise.reject(killed(this.name));
    return new Promise((resolve, reject) => {
      this.held.push({
        label,
        go: () => {
          this.trace.push(label);
          resolve();
        },
        die: reject,
      });
    });
  }

  /** Runs something beside whatever else it does; what it throws is kept, unless `allowed` says that it may. */
  begin(work: () => Promise<unknown>, allowed: (error: unknown) => boolean = () => false): void {
    this.threads += 1;
    work()
      .catch((error: unknown) => {
        this.fail(error, allowed);
      })
      .finally(() => {
        this.threads -= 1;
      });
  }

  /** Keeps an error that it may not end with; of a dead one nothing is heard any more. */
  fail(error: unknown, allowed: (error: unknown) => boolean = () => false): void {
    if (!this.dead && !allowed(error)) this.errors.push(error);
  }

  /** As SIGKILL does: what it did stands, what it was about to do never happens. */
  kill(): void {
    this.dead = true;
    for (const held of this.held.splice(0)) held.die(killed(this.name));
  }
}

const killed = (name: string): Error => new Error(`${name} was killed`);
