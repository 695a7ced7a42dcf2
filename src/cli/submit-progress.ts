import type { VerbContext } from '../verbs/context.ts';
import {
  NAME_FIELD,
  START_FIELD,
  SUBMISSION_FIELDS,
  type SubmissionInput,
  type SubmitEvent,
} from '../verbs/submission.ts';
import type { Context } from './context.ts';
import { verbContext } from './in-process.ts';
import { type Progress, startProgress } from './progress.ts';
import { parseFields, sequentialEvents } from './verb-command.ts';

type Phase = Extract<SubmitEvent, { readonly event: 'submitting' }>['phase'];

const LABELS: Readonly<Record<Phase, string>> = { upload: 'uploading', cut: 'cutting', send: 'sending' };

/** Smaller phases are over before a line could be read: bytes to upload and to cut, tasks to send. */
const SHORT: Readonly<Record<Phase, number>> = { upload: 8 * 2 ** 20, cut: 256 * 2 ** 20, send: 50_000 };

/** Shows the progress of a submission: one line for each phase that takes long enough to be read. */
export function submitProgress(ctx: Context): {
  show(event: SubmitEvent): Promise<void>;
  close(): void;
} {
  const lines = new Map<Phase, Progress>();
  const close = (): void => {
    for (const line of lines.values()) line.done();
    lines.clear();
  };
  return {
    async show(event) {
      if (event.event === 'sent') return close();
      const { phase, done, total } = event;
      const line = lines.get(phase);
      if (line !== undefined) line.update(done, total);
      else if (total === null || total > SHORT[phase]) {
        lines.set(phase, await startProgress(ctx, LABELS[phase], phase === 'send' ? 'items' : 'bytes'));
      }
    },
    close,
  };
}

/** Submits from this process and shows progress. A verdict is thrown at the end. */
export async function withSubmitter<T>(
  ctx: Context,
  work: (submitter: VerbContext<SubmitEvent>) => Promise<T>,
): Promise<T> {
  const progress = submitProgress(ctx);
  const events = sequentialEvents(progress.show);
  try {
    const result = await work(verbContext<SubmitEvent>(ctx, events));
    if (events.verdict() !== null) throw events.verdict();
    return result;
  } finally {
    await events.shown();
    progress.close();
  }
}

/** The submission fields of the command line, for a command that submits by itself. */
export const parseSubmission = (input: Readonly<Record<string, unknown>>): SubmissionInput =>
  parseFields({ ...SUBMISSION_FIELDS, ...START_FIELD, ...NAME_FIELD }, input);
