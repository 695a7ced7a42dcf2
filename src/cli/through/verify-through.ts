import { resolve } from 'node:path';
import { BatchctlError, isKind } from '../../errors.ts';
import { proofNumber } from '../../jobs/verify/proof.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import { answer } from '../render.ts';
import { openReportFile, type ReportSink } from '../report-file.ts';
import { verifyText } from '../verify-text.ts';
import { jobIdBehind } from './call-verb.ts';
import { type Asking, errorOf, runVerb, sendingOf, sendVerb } from './send-verb.ts';

/** `verify`: the manager proves; with `-o FILE` its evidence becomes that file, and `--check` looks at one here. */
export async function verifyThrough(asking: Asking): Promise<number> {
  const { ctx, manager, definition, input, given } = asking;
  if (given.check !== undefined) {
    const job = typeof given.job === 'string' ? await jobIdBehind(ctx, manager, given.job) : undefined;
    return (await definition.run({ ...input, job })) ?? 0;
  }
  if (given.repair === true) await ctx.announce();
  const { output, ...proved } = given;
  if (typeof output !== 'string' || ctx.flags.dryRun) return sendVerb(await sendingOf({ ...asking, given: proved }));
  return proveInto({ ...asking, given: proved }, await openEvidence(resolve(ctx.io.cwd, output)));
}

async function openEvidence(path: string): Promise<ReportSink> {
  try {
    return await openReportFile(path);
  } catch (cause) {
    if (!isKind(cause, 'usage')) throw cause;
    throw new BatchctlError('usage', `can't write the evidence to ${path}`, {
      hint: 'choose a file in an existing, writable directory',
      cause,
    });
  }
}

async function proveInto(asking: Asking, file: ReportSink): Promise<number> {
  const { ctx } = asking;
  const lines = new AllButLast(file);
  try {
    const sending = await sendingOf(asking, { jobFile: null, inputs: [], evidence: true });
    const { exitCode, error } = await runVerb({
      ...sending,
      asked: { ...sending.asked, flags: { ...sending.asked.flags, json: true } },
      sink: (text) => lines.take(text),
    });
    if (lines.count > 0) await file.commit();
    if (lines.last !== '') await show(asking, JSON.parse(lines.last) as Document);
    if (error !== null) throw errorOf(error);
    return exitCode;
  } finally {
    if (lines.count === 0 || ctx.signal.aborted) await file.abandon();
  }
}

type Document = VerifyResult & { readonly proof: string | null };

async function show({ ctx, manager }: Asking, document: Document): Promise<void> {
  const { proof: key } = document;
  const text = async (): Promise<string> => {
    const bytes = key === null ? null : await manager.store.read(key);
    const kept = key === null || bytes === null ? null : { key, bytes, number: proofNumber(key) ?? 0 };
    return verifyText(ctx, document, kept);
  };
  await answer(ctx, { json: document, text });
}

/** Writes all lines but the last, which is the answer. */
class AllButLast {
  readonly #file: ReportSink;
  #rest = '';
  last = '';
  /** Lines written. */
  count = 0;

  constructor(file: ReportSink) {
    this.#file = file;
  }

  async take(text: string): Promise<void> {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (lines.length === 0) return;
    const before = this.last === '' ? lines : [this.last, ...lines];
    this.last = before.pop() ?? '';
    this.count += before.length;
    if (before.length > 0) await this.#file.write(`${before.join('\n')}\n`);
  }
}
