import type { TaskQueue } from '../../ports/task-queue.ts';

/** A queue to which each message is sent twice; `happened` is told how many. */
export function twiceQueue(queue: TaskQueue, happened: (messages: number) => void): TaskQueue {
  const { ofTenant } = queue;
  return {
    group: queue.group,
    leaseSeconds: queue.leaseSeconds,
    send: (messages) => {
      happened(messages.length);
      return queue.send(messages.flatMap((message) => [message, message]));
    },
    receive: (options) => queue.receive(options),
    extend: (receipts) => queue.extend(receipts),
    ack: (receipts) => queue.ack(receipts),
    release: (releases) => queue.release(releases),
    bury: (burials) => queue.bury(burials),
    backlog: () => queue.backlog(),
    ...(ofTenant && { ofTenant: (tenant: string) => ofTenant.call(queue, tenant) }),
    dead: (options) => queue.dead(options),
    redrive: (options) => queue.redrive(options),
    purge: (options) => queue.purge(options),
    close: () => queue.close(),
  };
}
