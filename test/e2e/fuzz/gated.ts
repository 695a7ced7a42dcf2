import { readFileSync, rmSync } from 'node:fs';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { ListOptions, ObjectEntry, ObjectStore, PutResult } from '../../../src/ports/object-store.ts';
import type { TaskQueue } from '../../../src/ports/task-queue.ts';
import type { Chance } from '../../support/chance.ts';
import type { Actor } from './scheduler.ts';

/** How often a conditional put that created the object is answered as if it had existed, as after S3's own retry (law 2). */
const FIRST_TRY_LOST = 0.02;
/** The share of listings that return two pages, with time in between. */
const PAGED = 0.25;

/** An actor's access to the store: each request waits for its turn. */
export function gatedStore(store: ObjectStore, actor: Actor, chance: Chance): ObjectStore {
  const answered = (key: string, result: PutResult, conditional: boolean): PutResult =>
    conditional && result.created && isDecision(key) && chance.is(FIRST_TRY_LOST)
      ? { ...result, created: false }
      : result;
  async function* list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectEntry> {
    const all = async (from: string | undefined): Promise<ObjectEntry[]> => {
      const found: ObjectEntry[] = [];
      for await (const entry of store.list(prefix, { ...options, ...(from !== undefined && { from }) }))
        found.push(entry);
      return found;
    };
    const first = await actor.act(`list ${prefix}`, () => all(options.from));
    if (first.length < 2 || !chance.is(PAGED)) {
      yield* first;
      return;
    }
    const page = first.slice(0, chance.whole(1, first.length - 1));
    yield* page;
    yield* await actor.act(`list ${prefix} on`, () => all(`${page.at(-1)?.key ?? ''}\0`));
  }
  return gated('', () => store, actor, {
    put: (key, body, options) =>
      actor.act(`put ${key}`, async () =>
        answered(key, await store.put(key, body, options), options?.ifAbsent === true),
      ),
    delete: (keys) => actor.act(`delete ${keys.join(' ')}`, () => store.delete(keys)),
    list,
    keys: async function* (prefix, options) {
      for await (const { key } of list(prefix, options)) yield key;
    },
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    // Synchronously, so that the same seed makes the same sequence.
    uploadFile: (path, key, options) =>
      actor.act(`put ${key}`, async () => {
        const result = await store.put(key, readFileSync(path), options);
        if (options?.consume && result.created) rmSync(path);
        return answered(key, result, options?.ifAbsent === true);
      }),
  });
}

/** Keys whose writers read back whether their put was the first, as law 2 demands. */
function isDecision(key: string): boolean {
  return /\/(journal|out)\/|opened\.json$|^runs\//.test(key);
}

/** An actor's access to an object: each call waits for its turn; `methods` replace the object's own. */
const gated = <T extends object>(what: string, now: () => T, actor: Actor, methods: Partial<T>): T =>
  new Proxy({} as T, {
    get: (_, name) => {
      if (name in methods) return Reflect.get(methods, name);
      const found: unknown = Reflect.get(now(), name);
      // With a gated `then`, a promise would wait for it.
      if (typeof found !== 'function' || name === 'then') return found;
      return (...values: readonly unknown[]) => {
        const label = `${what}${String(name)}${typeof values[0] === 'string' ? ` ${values[0]}` : ''}`;
        return actor.act(label, () => Reflect.apply(Reflect.get(now(), name) as typeof found, now(), values));
      };
    },
  });

export const gatedLedger = (now: () => Ledger, actor: Actor): Ledger =>
  gated('ledger ', now, actor, { open: async () => undefined, close: async () => undefined });

/** The share of messages that are sent twice, because a queue delivers at least once. */
const TWICE = 0.08;

export const gatedQueue = (queue: TaskQueue, actor: Actor, chance: Chance): TaskQueue =>
  gated('', () => queue, actor, {
    send: (messages) =>
      actor.act(`send ${messages.length}`, () => queue.send([...messages, ...messages.filter(() => chance.is(TWICE))])),
    receive: (options) => actor.act('receive', () => queue.receive({ ...options, waitSeconds: 0 })),
    dead: (options) => queue.dead(options),
    close: async () => undefined,
  });
