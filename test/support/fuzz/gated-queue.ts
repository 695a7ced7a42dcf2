import type { TaskQueue } from '../../../src/ports/task-queue.ts';
import type { Chance } from './chance.ts';
import type { Actor } from './loom.ts';

/** How often a sent message is there twice: a queue delivers at least once. */
const TWICE = 0.08;

/** One actor's way to the queue: each request waits for its turn. */
export function gatedQueue(queue: TaskQueue, actor: Actor, chance: Chance): TaskQueue {
  return {
    group: queue.group,
    leaseSeconds: queue.leaseSeconds,
    send: (messages) =>
      actor.act(`send ${messages.length}`, () => queue.send([...messages, ...messages.filter(() => chance.is(TWICE))])),
    receive: (options) => actor.act('receive', () => queue.receive({ ...options, waitSeconds: 0 })),
    extend: (receipts) => actor.act('extend', () => queue.extend(receipts)),
    ack: (receipts) => actor.act('ack', () => queue.ack(receipts)),
    release: (releases) => actor.act('release', () => queue.release(releases)),
    bury: (burials) => actor.act('bury', () => queue.bury(burials)),
    backlog: () => actor.act('backlog', () => queue.backlog()),
    held: () => actor.act('held', () => queue.held()),
    dead: (options) => queue.dead(options),
    redrive: (options) => actor.act('redrive', () => queue.redrive(options)),
    purge: (options) => actor.act('purge', () => queue.purge(options)),
    close: async () => undefined,
  };
}
