import type { Ledger } from '../../../src/ports/ledger.ts';
import type { Actor } from './loom.ts';

/** One actor's way to the ledger, whichever it is by then: each request waits for its turn. */
export function gatedLedger(now: () => Ledger, actor: Actor): Ledger {
  return {
    open: async () => undefined,
    recordJob: (job) => actor.act(`ledger job ${job.state}`, () => now().recordJob(job)),
    record: (events) =>
      actor.act(`ledger ${events.map(({ step, task, outcome }) => `${step}/${task} ${outcome}`).join()}`, () =>
        now().record(events),
      ),
    heartbeat: (worker) => actor.act('ledger heartbeat', () => now().heartbeat(worker)),
    job: (id) => actor.act('ledger read', () => now().job(id)),
    jobs: (filter) => actor.act('ledger read', () => now().jobs(filter)),
    counts: (job) => actor.act('ledger counts', () => now().counts(job)),
    recordExact: (job, round, steps) => actor.act(`ledger exact ${round}`, () => now().recordExact(job, round, steps)),
    tasks: (job, filter) => actor.act('ledger read', () => now().tasks(job, filter)),
    attempts: (job, step, task) => actor.act('ledger read', () => now().attempts(job, step, task)),
    attemptsOfJob: (job, page) => actor.act('ledger read', () => now().attemptsOfJob(job, page)),
    workers: (filter) => actor.act('ledger read', () => now().workers(filter)),
    forget: (job) => actor.act('ledger forget', () => now().forget(job)),
    close: async () => undefined,
  };
}
