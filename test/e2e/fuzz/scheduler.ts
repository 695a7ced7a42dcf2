import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../../support/chance.ts';

interface PendingAct {
  readonly label: string;
  readonly go: () => void;
  readonly die: (killed: Error) => void;
}

/** Ids of attempts, which differ each time. */
const RANDOM_IDS = /[a-z0-9]{16}/g;

/** Turns of the event loop, then milliseconds, in which an actor must come to its next act or its end. */
const TURNS = 50;
const TIMEOUT_MS = 5_000;

/**
 * Runs actors (operators' verbs, workers) one act at a time, in an order that a seed determines. Each read and write of
 * store, queue and ledger, and each command, is an act that waits for its turn. So any interleaving can happen, an actor
 * can die between any two acts, and the same seed makes the same sequence.
 */
export class Scheduler {
  readonly #chance: Chance;
  readonly actors: Actor[] = [];
  /** Acts so far: the time of the sequence. */
  acts = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  actor(name: string): Actor {
    const actor = new Actor(name);
    this.actors.push(actor);
    return actor;
  }

  /** Runs one act of one actor; false if there is none. */
  async step(which: (actor: Actor) => boolean = () => true): Promise<boolean> {
    const able = (actor: Actor): boolean => !actor.frozen && actor.pending.length > 0 && which(actor);
    let ready = this.actors.filter(able);
    if (ready.length === 0) {
      // Some actors may be about to reach their next act.
      for (const actor of this.actors) if (!actor.frozen && actor.busy() && which(actor)) await this.quiet(actor);
      ready = this.actors.filter(able);
    }
    if (ready.length === 0) return false;
    const actor = this.#chance.pick(ready);
    actor.sortPending();
    const [act] = actor.pending.splice(this.#chance.whole(0, actor.pending.length - 1), 1);
    this.acts += 1;
    actor.acts += 1;
    act?.go();
    await this.quiet(actor);
    if (actor.dieAt !== null && actor.acts >= actor.dieAt) actor.kill();
    return true;
  }

  /** Runs acts until there are none. */
  async drain(which: (actor: Actor) => boolean = () => true, most = 20_000): Promise<void> {
    for (let n = 0; await this.step(which); n += 1) {
      if (n > most) throw new Error(`no end after ${most} acts: ${this.actors.map((a) => a.name).join(', ')}`);
    }
  }

  /** Waits until the actor waits for its turn again, or has nothing more to do. */
  async quiet(actor: Actor): Promise<void> {
    for (let n = 0; ; n += 1) {
      await setImmediate();
      if (actor.actsInProgress === 0 && (actor.pending.length > 0 || !actor.busy()) && !usesFiles()) return;
      if (n > TURNS + TIMEOUT_MS) throw new Error(`${actor.name} neither acts nor ends after ${actor.trace.at(-1)}`);
      if (n > TURNS) await sleep(1);
    }
  }
}

/** Whether threads are reading or writing files. How long that takes must not change the sequence. */
function usesFiles(): boolean {
  return process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq'));
}

/** A worker, an operator or another process. A dead one never continues, a frozen one not now. */
export class Actor {
  readonly name: string;
  readonly pending: PendingAct[] = [];
  frozen = false;
  dead = false;
  acts = 0;
  /** The number of acts after which it is killed. */
  dieAt: number | null = null;
  actsInProgress = 0;
  /** Functions begun by `begin` that are running. */
  running = 0;
  /** Its acts, for the message of a failure. */
  readonly trace: string[] = [];
  /** Errors that are not allowed. */
  readonly errors: unknown[] = [];
  /** The error that its verb threw, allowed or not. */
  ended: unknown = null;
  /** Whether it is doing other work than `begin` started. */
  isBusyElsewhere: () => boolean = () => false;

  constructor(name: string) {
    this.name = name;
  }

  /** Orders pending acts by label: in which order they came depends on how fast files were read. */
  sortPending(): void {
    const order = ({ label }: PendingAct): string => label.replace(RANDOM_IDS, '');
    this.pending.sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0));
  }

  busy(): boolean {
    return !this.dead && (this.running > 0 || this.isBusyElsewhere());
  }

  /** Waits for its turn, then acts. */
  async act<T>(label: string, work: () => Promise<T>): Promise<T> {
    await this.turn(label);
    this.actsInProgress += 1;
    try {
      return await work();
    } finally {
      this.actsInProgress -= 1;
    }
  }

  /** Resolves when it may continue; rejects when it is killed, so that it closes what it has opened in this process. */
  turn(label: string): Promise<void> {
    if (this.dead) return Promise.reject(killed(this.name));
    return new Promise((resolve, reject) => {
      this.pending.push({
        label,
        go: () => {
          this.trace.push(label);
          resolve();
        },
        die: reject,
      });
    });
  }

  /** Starts a function concurrently; keeps its error unless it is allowed. */
  begin(work: () => Promise<unknown>, allowed: (error: unknown) => boolean = () => false): void {
    this.running += 1;
    work()
      .catch((error: unknown) => {
        this.fail(error, allowed);
      })
      .finally(() => {
        this.running -= 1;
      });
  }

  /** Keeps an error that is not allowed. Errors of a dead actor are ignored. */
  fail(error: unknown, allowed: (error: unknown) => boolean = () => false): void {
    if (!this.dead && !allowed(error)) this.errors.push(error);
  }

  /** Like SIGKILL: its acts remain, and pending acts never happen. */
  kill(): void {
    this.dead = true;
    for (const act of this.pending.splice(0)) act.die(killed(this.name));
  }
}

const killed = (name: string): Error => new Error(`${name} was killed`);
