import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { THIS_MACHINE } from '../../../src/platform/open-platform.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { TaskQueue } from '../../../src/ports/task-queue.ts';
import { Chance } from '../../support/chance.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { gatedLedger, gatedQueue, gatedStore } from './gated.ts';
import { Programs } from './programs.ts';
import { type Actor, Scheduler } from './scheduler.ts';

/** Seconds. */
export const LEASE = 15;

/** Keys of decisions, which are never overwritten. */
const WRITTEN_ONCE = /\/(out|journal|failed|proofs)\/[^/]+$|\/(opened|job)\.json$/;

/** SQLite's queue and ledger, and a clock: shared by sequences, because opening them costs more than a sequence. */
export interface Services {
  readonly directory: string;
  readonly clock: FakeClock;
  readonly queue: TaskQueue;
  /** The ledger of the last sequence, which contains other jobs. */
  readonly ledger: () => Ledger;
  /** Opens a new, empty ledger. */
  newLedger(): Promise<Ledger>;
  close(): Promise<void>;
}

export async function openServices(): Promise<Services> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-fuzz-'));
  const clock = new FakeClock();
  const queue = await openSqliteQueue({
    root: directory,
    group: 'default',
    holder: 'fuzz',
    leaseSeconds: LEASE,
    clock,
  });
  // The first receive chooses a tenant at random, which would change the first sequence.
  await queue.receive({ max: 1, waitSeconds: 0 });
  const ledgers: Ledger[] = [];
  const newLedger = async (): Promise<Ledger> => {
    const file = join(directory, `ledger-${ledgers.length}.db`);
    const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'fuzz', clock });
    await ledger.open();
    ledgers.push(ledger);
    return ledger;
  };
  let last = await newLedger();
  return {
    directory,
    clock,
    queue,
    ledger: () => last,
    newLedger: async () => {
      last = await newLedger();
      return last;
    },
    close: async () => {
      for (const ledger of ledgers) await ledger.close();
      await queue.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The world of one sequence: its services and actors. */
export class World {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly programs: Programs;
  readonly services: Services;
  /** Without gates. */
  readonly store: ObjectStore;
  ledger: Ledger;
  /** When each object was first put, in acts. */
  readonly putAt = new Map<string, number>();
  /** Forbidden acts that happened. */
  readonly violations: string[] = [];
  /** The events so far, one line each. */
  readonly story: string[] = [];
  #names = 0;

  constructor(services: Services, seed: number) {
    this.services = services;
    this.ledger = services.ledger();
    this.chance = new Chance(seed);
    this.scheduler = new Scheduler(this.chance);
    this.programs = new Programs(this.chance);
    const memory = new MemoryStore(() => services.clock.now());
    this.store = wrapStore(memory, {
      put: async (key, body, options) => {
        if (WRITTEN_ONCE.test(key) && options?.ifAbsent !== true && (await memory.head(key)) !== null)
          this.violations.push(`${key} was overwritten`);
        const result = await memory.put(key, body, options);
        if (result.created && !this.putAt.has(key)) this.putAt.set(key, this.scheduler.acts);
        return result;
      },
    });
  }

  addActor(kind: string): { readonly actor: Actor; readonly platform: Platform } {
    this.#names += 1;
    const actor = this.scheduler.actor(`${kind}-${this.#names}`);
    return { actor, platform: this.#gated(actor) };
  }

  log(line: string): void {
    this.story.push(`${this.scheduler.acts}: ${line}`);
  }

  /** A platform without gates. */
  directPlatform(): Platform {
    const { queue } = this.services;
    return this.#platform('auditor', { store: this.store, ledger: async () => this.ledger, queue: async () => queue });
  }

  #gated(actor: Actor): Platform {
    const queue = gatedQueue(this.services.queue, actor, this.chance);
    const ledger = gatedLedger(() => this.ledger, actor);
    const store = gatedStore(this.store, actor, this.chance);
    return this.#platform(actor.name, { store, ledger: async () => ledger, queue: async () => queue });
  }

  #platform(who: string, access: Pick<Platform, 'store' | 'ledger' | 'queue'>): Platform {
    const refuse = (): never => {
      throw new Error('not available in a sequence');
    };
    return {
      ...access,
      who,
      clock: this.services.clock,
      leaseSeconds: LEASE,
      workplace: THIS_MACHINE,
      localFile: () => null,
      bucket: async () => refuse(),
      group: async () => refuse(),
      queueModule: refuse,
      scratch: async (worker) => {
        const scratch = join(this.services.directory, worker);
        mkdirSync(scratch, { recursive: true });
        return scratch;
      },
      close: async () => undefined,
    };
  }
}
