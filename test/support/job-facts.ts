import { readView } from '../../src/jobs/journal.ts';
import { openFile, readOutput } from '../../src/jobs/output.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { OPEN_PREFIX, outPrefix, taskOfOut } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { countMessages, entryKinds, keysBelow } from './stored.ts';

/** The state of a job in store, queue and ledger. */
export interface JobFacts {
  readonly state: string;
  readonly reason: string | null;
  /** The kinds of the journal's entries, in order. */
  readonly journal: readonly string[];
  /** The text of the published outputs, by step and task. */
  readonly outputs: Readonly<Record<string, Readonly<Record<number, string>>>>;
  /** Done tasks in the ledger, by step. */
  readonly counted: Readonly<Record<string, number>>;
  readonly ledgerState: string | null;
  /** Messages of the group `default`: waiting, leased or delayed. */
  readonly queued: number;
  readonly dead: readonly string[];
  readonly openMarks: number;
  readonly verdict: string;
}

/** The facts of a job that succeeded and is closed. */
export const SUCCEEDED = {
  state: 'succeeded',
  ledgerState: 'succeeded',
  verdict: 'proven',
  queued: 0,
  openMarks: 0,
};

export async function factsOf(platform: Platform, job: string): Promise<JobFacts> {
  const { store } = platform;
  const view = await readView(store, job);
  if (view === null) throw new Error(`there is no job ${job}`);
  const outputs: Record<string, Record<number, string>> = {};
  for (const { name } of view.record.spec.steps) outputs[name] = await outputsOf(platform, job, name);
  const ledger = await platform.ledger();
  const counts = await ledger.counts(job);
  const queue = await platform.queue('default');
  const dead: string[] = [];
  for await (const letter of queue.dead()) dead.push(letter.reason ?? '');
  return {
    state: stateOf(view),
    reason: view.closed?.reason ?? null,
    journal: await entryKinds(store, job),
    outputs,
    counted: Object.fromEntries(counts.map(({ step, done }) => [step, done])),
    ledgerState: (await ledger.job(job))?.state ?? null,
    queued: await countMessages(queue),
    dead,
    openMarks: (await keysBelow(store, `${OPEN_PREFIX}${job}`)).length,
    verdict: (await verifyJob(platform, view, { deep: true })).verdict,
  };
}

async function outputsOf(platform: Platform, job: string, step: string): Promise<Record<number, string>> {
  const outputs: Record<number, string> = {};
  for await (const { key } of platform.store.list(outPrefix(job, step))) {
    const task = taskOfOut(key);
    const output = task === null ? null : await readOutput(platform.store, job, step, task);
    if (task === null || output === null) throw new Error(`${key} is no output`);
    let text = '';
    for (const file of output.files) {
      if (file.size > 64 * 1024) text += `[${file.size} bytes]`;
      else for await (const chunk of await openFile(platform.store, file)) text += String(chunk);
    }
    outputs[task] = text;
  }
  return outputs;
}
