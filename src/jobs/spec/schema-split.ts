import * as z from 'zod';
import { fields, listOf, mapOf, plainValue, size, text, whole, yesOrNo } from '../../lib/fields.ts';

const MAP = 'a map with by and its fields, such as { by: csv, size: 32MB }';

/** Names that become `{name}` in arguments and `BATCHCTL_PARAM_NAME` in commands. */
export const paramName = () => text('letters, digits and _, not a digit first', /^[A-Za-z_][A-Za-z0-9_]*$/);

const every = whole('a whole number of records, at least 1', 1).optional();
const cuts = { every, size: size().optional() };
const oneCharacter = (what: string) => text(`${what}: one ASCII character, no line end`, /^[\t\x20-\x7e]$/);

export const splitSchema = z.discriminatedUnion(
  'by',
  [
    fields({ by: z.literal('lines'), ...cuts }, MAP),
    fields(
      {
        by: z.literal('csv'),
        ...cuts,
        header: yesOrNo().optional(),
        delimiter: oneCharacter('what separates fields').optional(),
        quote: oneCharacter('what encloses fields').optional(),
      },
      MAP,
    ),
    fields({ by: z.literal('jsonl'), ...cuts }, MAP),
    fields({ by: z.literal('records'), length: whole('bytes of one record, at least 1', 1), ...cuts }, MAP),
    fields({ by: z.literal('file') }, MAP),
    fields({ by: z.literal('list') }, MAP),
    fields(
      { by: z.literal('range'), from: whole('a whole number', -1e15, 1e15), to: whole('a whole number', -1e15, 1e15) },
      MAP,
    ),
    fields(
      {
        by: z.literal('grid'),
        axes: mapOf(
          paramName(),
          listOf(plainValue(), 'a list of values').min(1, { error: 'at least one value' }),
          'a map of parameter names and lists of values',
        ),
      },
      MAP,
    ),
  ],
  {
    error: (issue) => (issue.code === 'invalid_union' ? 'lines, csv, jsonl, records, file, list, range or grid' : MAP),
  },
);

/** Characters of an input or an equation: of a path Linux takes as many. */
export const LONGEST_TEXT = 4_096;

const FROM = 'a path relative to the job file, store:KEY, s3://BUCKET/KEY, job:ID/STEP, or a list of these';
const SOURCE =
  /^(?!store:(\/|$))(?!(?!s3:)[a-z][a-z0-9+.-]*:\/\/)(?!s3:(?!\/\/[^/\s]+\/\S))(?!job:(?!.+\/[a-z][a-z0-9-]{0,39}$))[^\0]*\S[^\0]*$/;

const source = () => text(FROM, SOURCE).max(LONGEST_TEXT, { error: FROM });

export const inputSchema = fields(
  {
    from: z
      .union([source(), listOf(source(), FROM).min(1, { error: 'at least one input' })], { error: FROM })
      .optional(),
    split: splitSchema.optional(),
  },
  'a map with from and split',
);

export type SplitFile = z.infer<typeof splitSchema>;
