import { BatchctlError, isKind } from '../errors.ts';
import { findJobToShow } from '../jobs/find.ts';
import { PAGE } from '../model/api.ts';
import { JOB_ID_PATTERN } from '../model/keys.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbCall } from './remote-caller.ts';
import { type AnyVerb, type Given, parseInput, typedInput } from './verb.ts';

/** One page of a list: the fields for the verb, and how its rows are sent. */
export interface ListPage {
  readonly input: Given;
  /** Returns the `after` of the next page; null: this is the last page. */
  send(rows: AsyncIterable<unknown>): Promise<string | null>;
}

type PageCall = Pick<VerbCall, 'input' | 'row' | 'notice'>;

/**
 * The page that a call asks for. If the call names its job by another text than an id (`last`), the pages after it name
 * the job that this one found. Throws `usage` for a page of another job.
 */
export async function pageOf(verb: AnyVerb, call: PageCall, platform: Platform): Promise<ListPage> {
  const asked = verb.cursorOf === undefined ? null : askedLimit(verb, call.input);
  if (asked === null) return { input: call.input, send: (rows) => sendPage(verb, call, rows, null) };
  const { job, input } = await pinnedInput(verb, call, platform);
  const most = Math.min(asked, PAGE.most);
  return {
    // One more than is sent shows that there are more.
    input: { ...input, limit: most + 1 },
    send: async (rows) => {
      const next = await sendPage(verb, call, rows, most);
      return next === null || job === null ? next : `${job}:${next}`;
    },
  };
}

/** Null for fields that the verb itself refuses. */
function askedLimit(verb: AnyVerb, input: Given): number | null {
  try {
    return Number(parseInput(verb, input).limit ?? PAGE.rows);
  } catch (error) {
    if (!isKind(error, 'usage')) throw error;
    return null;
  }
}

interface PinnedInput {
  /** The job that the next pages must name; null: the call names it. */
  readonly job: string | null;
  readonly input: Given;
}

async function pinnedInput(verb: AnyVerb, { input, notice }: PageCall, platform: Platform): Promise<PinnedInput> {
  if (!Object.hasOwn(verb.input.entries, 'job')) return { job: null, input };
  const said = input.job ?? undefined;
  const [, of, after] = /^([a-z0-9-]+):(.*)$/s.exec(String(input.after ?? '')) ?? [];
  if (of !== undefined && JOB_ID_PATTERN.test(of)) {
    if (typeof said === 'string' && JOB_ID_PATTERN.test(said) && said !== of)
      throw new BatchctlError('usage', `after: expected a page of job ${said}, found one of job ${of}`);
    return { job: of, input: { ...input, job: of, after } };
  }
  if (said !== undefined && (typeof said !== 'string' || JOB_ID_PATTERN.test(said))) return { job: null, input };
  const { job } = (await findJobToShow(platform, said)).record;
  if (job !== said) notice(`job ${job}`);
  return { job, input: { ...input, job } };
}

async function sendPage(
  verb: AnyVerb,
  { input, row: send }: PageCall,
  rows: AsyncIterable<unknown>,
  most: number | null,
): Promise<string | null> {
  const typed = most === null ? null : typedInput(verb, input);
  let [count, bytes] = [0, 0];
  let next: string | null = null;
  for await (const row of rows) {
    if (next !== null && most !== null && (count >= most || bytes >= PAGE.bytes)) return next;
    bytes += await send(row);
    count += 1;
    next = typed === null ? null : (verb.cursorOf?.(row, typed) ?? null);
  }
  return null;
}
