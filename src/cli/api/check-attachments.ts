import { z } from 'zod';
import { BatchctlError } from '../../errors.ts';
import type { Attachments } from '../../ports/verbs.ts';

const text = z.string().max(4_096);
const count = z.number().int().nonnegative();
const checksum = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** A list whose check stops at the first wrong item: reporting each of thousands would block a manager. */
function listOf<T extends z.ZodType>(item: T, most: number) {
  return z
    .array(z.unknown())
    .max(most)
    .transform((items, ctx) => {
      const checked: z.output<T>[] = [];
      for (const [at, each] of items.entries()) {
        const result = item.safeParse(each);
        const issue = result.error?.issues[0];
        if (result.success) checked.push(result.data);
        else {
          ctx.addIssue({ code: 'custom', message: issue?.message, path: [at, ...(issue?.path ?? [])] });
          return z.NEVER;
        }
      }
      return checked;
    });
}

/** Far more than fit into a call. */
const MOST_INPUTS = 100_000;
/** Maximum number of files that options may name. */
const MOST_TEXTS = 100;

const input = z.object({ asked: text, name: text, key: z.string().max(1_024), checksum, size: count });

/** An input of a plan. It is only counted; nothing is stored. */
const plannedInput = z.object({
  ...{ name: text, size: count, checksum: checksum.nullable(), records: count.nullable() },
  compression: z.enum(['gzip', 'zstd']).nullable(),
  parts: z.literal(0).optional(),
  source: z.object({ kind: z.enum(['store', 's3', 'pipe', 'file']) }).loose(),
});

const planned = z.object({
  files: listOf(text, MOST_INPUTS),
  hashes: z.record(text, text).optional(),
  cut: z
    .object({
      ...{ parts: count, records: count.nullable(), pieces: count, inputs: listOf(plannedInput, MOST_INPUTS) },
      sizes: z.object({
        bins: listOf(z.tuple([z.number(), count, z.number().nonnegative()]), 10_000),
        largest: z.object({ n: count, size: z.number() }),
      }),
    })
    .nullable(),
});

const attachments = z.object({
  jobFile: z.object({ path: text, spec: z.unknown(), code: text.nullable() }).nullable(),
  inputs: listOf(input, MOST_INPUTS),
  texts: z
    .unknown()
    .refine((texts) => Object.keys(texts ?? {}).length <= MOST_TEXTS, `expected at most ${MOST_TEXTS} texts`)
    .pipe(z.record(text, z.string().max(2 ** 20)))
    .optional(),
  planned: planned.nullish(),
});

/** Checks untrusted data from a caller. Throws `usage`. */
export function checkAttachments(sent: unknown): Attachments {
  const result = attachments.safeParse(sent);
  if (result.success) return result.data as unknown as Attachments;
  const [issue] = result.error.issues;
  throw new BatchctlError('usage', `attachments.${issue?.path.join('.')}: ${issue?.message}`);
}
