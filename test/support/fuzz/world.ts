import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { TaskQueue } from '../../../src/ports/task-queue.ts';
import { FakeClock } from '../fake-clock.ts';
import { MemoryStore } from '../memory-store.ts';
import { wrapStore } from '../wrap-store.ts';
import { Chance } from './chance.ts';
import { gatedLedger, gatedQueue, gatedStore } from './gated.ts';
import { Programs } from './programs.ts';
import { type Actor, Scheduler } from './scheduler.ts';

/** Seconds. */
export const LEASE = 15;

/** What decides stays as it was written first. */
const WRITTEN_ONCE = /\/(out|journal|failed|proofs)\/[^/]+$|\/(opened|job)\.json$/;

/** What the sequences of one run share, as opening it costs more than a sequence: SQLite's queue and ledger, a clock. */
export interface Services {
  readonly directory: string;
  readonly clock: FakeClock;
  readonly queue: TaskQueue;
  /** The ledger of the last sequence, which knows of other jobs. */
  readonly ledger: () => Ledger;
  /** A new ledger that knows nothing. */
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
    ...{ directory, clock, queue },
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

/** The world of one sequence: what is there, and who acts in it. */
export class World {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly programs: Programs;
  readonly services: Services;
  /** As it is, past every gate. */
  readonly store: ObjectStore;
  ledger: Ledger;
  /** When (in acts) an object was put first. */
  readonly putAt = new Map<string, number>();
  /** What nobody may do, as it was seen. */
  readonly offences: string[] = [];
  /** What happened, one line each. */
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
          this.offences.push(`${key} was written over`);
        const result = await memory.put(key, body, options);
        if (result.created && !this.putAt.has(key)) this.putAt.set(key, this.scheduler.acts);
        return result;
      },
    });
  }

  /** Somebody new, with a way of their own to everything. */
  arrive(kind: string): { readonly actor: Actor; readonly platform: Platform } {
    this.#names += 1;
    const actor = this.scheduler.actor(`${kind}-${this.#names}`);
    return { actor, platform: this.#gated(actor) };
  }

  tell(line: string): void {
    this.story.push(`${this.scheduler.acts}: ${line}`);
  }

  /** A way to everything that waits for nobody's turn. */
  bare(): Platform {
    const { queue } = this.services;
    return this.#platform('auditor', { store: this.store, ledger: async () => this.ledger, queue: async () => queue });
  }

  #gated(actor: Actor): Platform {
    const queue = gatedQueue(this.services.queue, actor, this.chance);
    const ledger = gatedLedger(() => this.ledger, actor);
    const store = gatedStore(this.store, actor, this.chance);
    return this.#platform(actor.name, { store, ledger: async () => ledger, queue: async () => queue });
  }

  #platform(who: string, ways: Pick<Platform, 'store' | 'ledger' | 'queue'>): Platform {
    const nobody = (): never => {
      throw new Error('nobody asks for that here');
    };
    return {
      ...{ ...ways, who, clock: this.services.clock, leaseSeconds: LEASE, localFile: () => null },
      ...{ bucket: async () => nobody(), group: async () => nobody(), queueModule: nobody },
      scratch: async (worker) => {
        const scratch = join(this.services.directory, worker);
        mkdirSync(scratch, { recursive: true });
        return scratch;
      },
      close: async () => undefined,
    };
  }
}
