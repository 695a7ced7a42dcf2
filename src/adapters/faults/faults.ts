import { appendFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { FaultKind } from '../../model/rehearsal.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { TaskQueue } from '../../ports/task-queue.ts';

/** A store whose reads and writes each take `milliseconds` longer; calls `onFault` for each. */
export function slowStore(store: ObjectStore, milliseconds: number, onFault: () => void): ObjectStore {
  const late = async <T>(work: () => Promise<T>): Promise<T> => {
    onFault();
    await setTimeout(milliseconds);
    return work();
  };
  return {
    ...unchangedMethods(store),
    put: (key, body, options) => late(() => store.put(key, body, options)),
    delete: (keys) => late(() => store.delete(keys)),
    read: (key, options) => late(() => store.read(key, options)),
    get: (key, options) => late(() => store.get(key, options)),
    head: (key) => late(() => store.head(key)),
    copy: (from, to, options) => late(() => store.copy(from, to, options)),
    uploadFile: (path, key, options) => late(() => store.uploadFile(path, key, options)),
  };
}

/**
 * A queue that sends each message twice; calls `onDuplicate` with their number. A message sent again isn't doubled again:
 * each delivery of a chain sends the next step's message, so they would double with each step. The doubled bodies are
 * remembered for the life of this process: a rehearsal has few.
 */
export function duplicatingQueue(queue: TaskQueue, onDuplicate: (messages: number) => void): TaskQueue {
  const { ofTenant } = queue;
  const doubled = new Set<string>();
  return {
    group: queue.group,
    leaseSeconds: queue.leaseSeconds,
    send: (messages) => {
      const fresh = messages.filter(({ body }) => !doubled.has(body));
      for (const { body } of fresh) doubled.add(body);
      if (fresh.length > 0) onDuplicate(fresh.length);
      return queue.send([...messages, ...fresh]);
    },
    receive: (options) => queue.receive(options),
    extend: (receipts) => queue.extend(receipts),
    ack: (receipts) => queue.ack(receipts),
    release: (releases) => queue.release(releases),
    bury: (burials) => queue.bury(burials),
    backlog: () => queue.backlog(),
    readCounts: () => queue.readCounts(),
    ...(ofTenant && { ofTenant: (tenant: string) => ofTenant.call(queue, tenant) }),
    dead: (options) => queue.dead(options),
    redrive: (options) => queue.redrive(options),
    purge: (options) => queue.purge(options),
    close: () => queue.close(),
  };
}

/** Appends a line per fault before the fault happens, so that one that kills the worker counts too. Never throws. */
export function openFaultTally(file: string): (fault: FaultKind, count?: number) => void {
  return (fault, count = 1) => {
    try {
      appendFileSync(file, `${fault}\n`.repeat(count));
    } catch {
      // The count is for people; the work goes on without it.
    }
  };
}

/**
 * For the crash tests: a store that passes a fault point just before and right after each deciding write. Points:
 * `journal` (any entry), `close` (the entry that closes a job), `opengather` (opened.json), `unmark` (open marks
 * deleted), `remove` (outputs deleted), `due` (a delivery is marked), `news` (people are to be notified), `mark` (an open mark is put), `putcode`
 * (a code archive is put), `stagefile` (a file of a large output), `stepshard` (parts behind an `explode`),
 * `interruption` (spot ended an attempt), `discard` (a dead submission can no longer be committed); each also as
 * `before-...`. `onPoint` is called at each point and may kill this process there.
 */
export function killPointStore(store: ObjectStore, onPoint: (point: string) => void): ObjectStore {
  const around = async <T>(points: readonly string[], write: () => Promise<T>): Promise<T> => {
    for (const point of points) onPoint(`before-${point}`);
    const result = await write();
    for (const point of points) onPoint(point);
    return result;
  };
  return {
    ...unchangedMethods(store),
    put: (key, body, options) => around(pointsOf(key, body), () => store.put(key, body, options)),
    delete: (keys) =>
      around(keys.some(isOpenMark) ? ['unmark'] : keys.some(isOutput) ? ['remove'] : [], () => store.delete(keys)),
    uploadFile: (path, key, options) =>
      around(/\/files\/\d+\//.test(key) ? ['stagefile'] : [], () => store.uploadFile(path, key, options)),
  };
}

const isOutput = (key: string): boolean => /\/steps\/[^/]+\/out\/\d+$/.test(key);

const isOpenMark = (key: string): boolean => key.startsWith('open/');

function pointsOf(key: string, body: Uint8Array | string): readonly string[] {
  if (key.endsWith('/opened.json')) return ['opengather'];
  if (isOpenMark(key)) return ['mark'];
  if (/^(jobs|runs)\/.*\.json$/.test(key) && String(body).includes('"discarded":')) return ['discard'];
  if (key.startsWith('due/')) return ['due'];
  if (key.startsWith('news/')) return ['news'];
  if (key.startsWith('code/')) return ['putcode'];
  if (/\/steps\/[^/]+\/parts\/\d+\.ndjson$/.test(key)) return ['stepshard'];
  if (/\/steps\/[^/]+\/interruptions\//.test(key)) return ['interruption'];
  if (!/\/journal\/\d+\.json$/.test(key)) return [];
  return String(body).includes('"what":"close"') ? ['journal', 'close'] : ['journal'];
}

/** The methods that a fault leaves alone; without `direct`, so that all goes through here. */
function unchangedMethods(store: ObjectStore): Omit<ObjectStore, 'put' | 'delete' | 'uploadFile' | 'direct'> {
  return {
    location: store.location,
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => store.copy(from, to, options),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
  };
}
