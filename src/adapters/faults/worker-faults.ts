import { appendFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { FaultKind } from '../../model/rehearsal.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { TaskQueue } from '../../ports/task-queue.ts';

/** A store whose reads and writes each take `milliseconds` longer; calls `happened` for each. */
export function slowStore(store: ObjectStore, milliseconds: number, happened: () => void): ObjectStore {
  const late = async <T>(work: () => Promise<T>): Promise<T> => {
    happened();
    await setTimeout(milliseconds);
    return work();
  };
  return {
    location: store.location,
    put: (key, body, options) => late(() => store.put(key, body, options)),
    delete: (keys) => late(() => store.delete(keys)),
    read: (key, options) => late(() => store.read(key, options)),
    get: (key, options) => late(() => store.get(key, options)),
    head: (key) => late(() => store.head(key)),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => late(() => store.copy(from, to, options)),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    uploadFile: (path, key, options) => late(() => store.uploadFile(path, key, options)),
  };
}

/**
 * A queue that sends each message twice; calls `happened` with their number. A message sent again isn't doubled again:
 * each delivery of a chain sends the next step's message, so they would double with each step. The doubled bodies are
 * remembered for the life of this process: a rehearsal has few.
 */
export function twiceQueue(queue: TaskQueue, happened: (messages: number) => void): TaskQueue {
  const { ofTenant } = queue;
  const doubled = new Set<string>();
  return {
    group: queue.group,
    leaseSeconds: queue.leaseSeconds,
    send: (messages) => {
      const fresh = messages.filter(({ body }) => !doubled.has(body));
      for (const { body } of fresh) doubled.add(body);
      if (fresh.length > 0) happened(fresh.length);
      return queue.send([...messages, ...fresh]);
    },
    receive: (options) => queue.receive(options),
    extend: (receipts) => queue.extend(receipts),
    ack: (receipts) => queue.ack(receipts),
    release: (releases) => queue.release(releases),
    bury: (burials) => queue.bury(burials),
    backlog: () => queue.backlog(),
    held: () => queue.held(),
    ...(ofTenant && { ofTenant: (tenant: string) => ofTenant.call(queue, tenant) }),
    dead: (options) => queue.dead(options),
    redrive: (options) => queue.redrive(options),
    purge: (options) => queue.purge(options),
    close: () => queue.close(),
  };
}

/**
 * Appends one line per fault to a file, before the fault happens, so that a fault that kills the worker is counted too.
 * Never throws.
 */
export function tallyInto(file: string): (fault: FaultKind, count?: number) => void {
  return (fault, count = 1) => {
    try {
      appendFileSync(file, `${fault}\n`.repeat(count));
    } catch {
      // The count is for people; the work goes on without it.
    }
  };
}
