import type { AttemptEvent, Ledger } from '../../ports/ledger.ts';

/** Attempts read at once: few enough to hold, enough that asking costs nothing. */
const PAGE = 4_000;

/** Every recorded attempt of a job, by pages, in the ledger's order; throws when `signal` is aborted. */
export async function* attemptPages(
  ledger: Ledger,
  job: string,
  signal?: AbortSignal,
): AsyncGenerator<readonly AttemptEvent[]> {
  for (let last: AttemptEvent | undefined; ; ) {
    signal?.throwIfAborted();
    const page = await ledger.attemptsOfJob(job, {
      limit: PAGE,
      ...(last === undefined ? {} : { after: { step: last.step, task: last.task, attempt: last.attempt } }),
    });
    yield page;
    last = page.at(-1);
    if (page.length < PAGE) return;
  }
}
