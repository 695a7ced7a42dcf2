import { readFileSync, rmSync } from 'node:fs';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { ListOptions, ObjectEntry, ObjectStore, PutResult } from '../../../src/ports/object-store.ts';
import type { TaskQueue } from '../../../src/ports/task-queue.ts';
import type { Chance } from './chance.ts';
import type { Actor } from './scheduler.ts';

/** How often a conditional put that created is answered as S3 answers its own second try: it was there (law 2). */
const FIRST_TRY_LOST = 0.02;
/** How many listings come in two pages, with time in between. */
const PAGED = 0.25;

/** One actor's way to the store: each request waits for its turn. */
export function gatedStore(store: ObjectStore, actor: Actor, chance: Chance): ObjectStore {
  const answered = (key: string, result: PutResult, conditional: boolean): PutResult =>
    conditional && result.created && decides(key) && chance.is(FIRST_TRY_LOST) ? { ...result, created: false } : result;
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
  return {
    location: store.location,
    put: (key, body, options) =>
      actor.act(`put ${key}`, async () =>
        answered(key, await store.put(key, body, options), options?.ifAbsent === true),
      ),
    read: (key, options) => actor.act(`read ${key}`, () => store.read(key, options)),
    get: (key, options) => actor.act(`get ${key}`, () => store.get(key, options)),
    head: (key) => actor.act(`head ${key}`, () => store.head(key)),
    delete: (keys) => actor.act(`delete ${keys.join(' ')}`, () => store.delete(keys)),
    list,
    keys: async function* (prefix, options) {
      for await (const { key } of list(prefix, options)) yield key;
    },
    copy: (from, to, options) => actor.act(`copy ${from}`, () => store.copy(from, to, options)),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    // At once, so that the same seed gives the same run.
    uploadFile: (path, key, options) =>
      actor.act(`put ${key}`, async () => {
        const result = await store.put(key, readFileSync(path), options);
        if (options?.consume && result.created) rmSync(path);
        return answered(key, result, options?.ifAbsent === true);
      }),
  };
}

/** Whoever writes these is told by reading back whether it was the first: what law 2 asks for. */
function decides(key: string): boolean {
  return /\/(journal|out)\/|opened\.json$|^runs\//.test(key);
}

/** What an actor asks of something, each request once its turn has come; `over` is in place of its own. */
const gated = <T extends object>(what: string, now: () => T, actor: Actor, over: Partial<T>): T =>
  new Proxy({} as T, {
    get: (_, name) => {
      if (name in over) return Reflect.get(over, name);
      const found: unknown = Reflect.get(now(), name);
      // A thenable it isn't, which a promise would wait for.
      if (typeof found !== 'function' || name === 'then') return found;
      return (...values: readonly unknown[]) =>
        actor.act(`${what}${String(name)}`, () =>
          Reflect.apply(Reflect.get(now(), name) as typeof found, now(), values),
        );
    },
  });

/** One actor's way to the ledger, whichever it is by then. */
export const gatedLedger = (now: () => Ledger, actor: Actor): Ledger =>
  gated('ledger ', now, actor, { open: async () => undefined, close: async () => undefined });

/** How often a sent message is there twice: a queue delivers at least once. */
const TWICE = 0.08;

/** One actor's way to the queue. */
export const gatedQueue = (queue: TaskQueue, actor: Actor, chance: Chance): TaskQueue =>
  gated('', () => queue, actor, {
    send: (messages) =>
      actor.act(`send ${messages.length}`, () => queue.send([...messages, ...messages.filter(() => chance.is(TWICE))])),
    receive: (options) => actor.act('receive', () => queue.receive({ ...options, waitSeconds: 0 })),
    dead: (options) => queue.dead(options),
    close: async () => undefined,
  });
