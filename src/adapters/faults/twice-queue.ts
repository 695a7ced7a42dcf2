import type { TaskQueue } from '../../ports/task-queue.ts';

/**
 * A queue to which each message is sent twice; `happened` is told how many. One that is sent again is not doubled again:
 * each delivery of a chain sends the next step's message, so they would double with each step. The bodies that were
 * doubled are remembered, as long as this process lives: a rehearsal has few.
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
