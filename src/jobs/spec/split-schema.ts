import * as v from 'valibot';
import {
  about,
  fields,
  listOf,
  mapOf,
  maybe,
  plainValue,
  size,
  someOf,
  text,
  whole,
  yesOrNo,
} from '../../lib/fields.ts';
import { isRecord } from '../../lib/json.ts';
import { parseSize } from '../../lib/units.ts';
import type { PackLimits, SplitBy, SplitSpec } from '../../model/job.ts';
import { MOST_PACKED } from '../../model/part.ts';
import { PARAM_NAME } from '../../model/substitute.ts';
import { axisValues, isDecimal, MOST_AXIS_VALUES, measureAxis, type WrittenAxis } from './axis-values.ts';

const MAP = 'a map with by and its fields, such as { by: csv, size: 32MB }';

/** Names that become `{name}` in arguments and `BATCHCTL_PARAM_NAME` in commands. */
export const paramName = () => text('letters, digits and _, not beginning with a digit', PARAM_NAME);

export const bytes = (purpose: string) => v.pipe(about(purpose, size()), v.transform(parseSize));

/** `part`: what a part is. */
const by = <const W extends string>(word: W, part: string) => about(part, v.literal(word));

const cuts = {
  every: maybe('records per part', whole('a whole number of records, at least 1', 1)),
  size: v.optional(bytes('approximate bytes per part: split at the nearest record boundary')),
};

/** Exactly one of the two is set: see `check.ts`. */
const cutBy = ({ every, size = 0 }: { every?: number | undefined; size?: number | undefined }): SplitBy =>
  every === undefined ? { size } : { every };

// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators of records and units separate fields.
const SEPARATOR = /^[\t\x1c-\x7e]$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as for a separator.
const QUOTE = /^[\t\x1c-\x7e]?$/;

const PACK = 'a number of files such as 500, a size such as 256MB, or both: { files: 500, bytes: 256MB }';

const packFiles = () => whole(`a whole number from 1 to ${MOST_PACKED}`, 1, MOST_PACKED);

const DELIMITER = 'what separates fields: one ASCII character, no line end; "\\x1f" for the unit separator';
const QUOTE_ALLOWED = 'what encloses fields: one ASCII character, no line end; or none';

const AXIS = 'a list of values, or numbers: { from: 1, to: 10, step: 0.5 } or { log: [0.0001, 0.1], count: 7 }';
const DECIMAL = 'a decimal number such as 0.5, 20 or 1e-4';
const TWO = 'two numbers over 0';
const COUNT = `a whole number from 2 to ${MOST_AXIS_VALUES}`;
const ZIP = 'lists of at least two axes, such as [[lr, steps]]';
const AXES = 'the name of an axis';
const VALUES = 'a value or a list of values';
const EXCLUDED = 'maps of axes and values such as { lr: 0.1, seed: [1, 2] }';

const decimal = () => v.pipe(v.union([v.number(), v.string()], DECIMAL), v.check(isDecimal, DECIMAL));

/** The values of an axis, in one of three forms. */
function axis() {
  const list = someOf(plainValue(), AXIS, 'at least one value');
  const steps = fields(
    {
      from: about('axis: the first number', decimal()),
      to: about('axis: the last number, if a step reaches it', decimal()),
      step: maybe('axis: from one number to the next, exact (default: 1)', decimal()),
    },
    AXIS,
  );
  const scale = fields(
    {
      log: about(
        'axis: the first and the last of numbers with equal quotients',
        v.pipe(listOf(decimal(), TWO), v.length(2, TWO)),
      ),
      count: about('axis: how many numbers', whole(COUNT, 2, MOST_AXIS_VALUES)),
    },
    AXIS,
  );
  const schema = v.union([list, steps, scale], AXIS);
  // Only the mistakes of the form that was meant are of interest.
  const run: (typeof schema)['~run'] = (dataset, config) => {
    const found = dataset.value;
    const form = !isRecord(found) ? list : 'log' in found || 'count' in found ? scale : steps;
    return form['~run'](dataset, config);
  };
  return { ...schema, '~run': run };
}

const hasFewValues = (axes: Readonly<Record<string, WrittenAxis>>): boolean =>
  Object.values(axes).reduce((sum, axis) => sum + measureAxis(axis).count, 0) <= MOST_AXIS_VALUES;

export const splitSchema = v.variant(
  'by',
  [
    fields({ by: by('lines', 'lines of text'), ...cuts }, MAP),
    fields(
      {
        by: by('csv', 'CSV records: a quoted line end never splits one'),
        ...cuts,
        header: v.optional(about('csv: give every task the first record of its file', yesOrNo()), false),
        delimiter: v.optional(about('csv: field separator', text(DELIMITER, SEPARATOR)), ','),
        quote: v.optional(about('csv: quote character; "" where quotes mean nothing', text(QUOTE_ALLOWED, QUOTE)), '"'),
        exact: v.optional(
          about('csv by size: read all of a large object on S3 to cut it, not only around the cuts', yesOrNo()),
          false,
        ),
      },
      MAP,
    ),
    fields({ by: by('jsonl', 'lines, each a JSON value'), ...cuts }, MAP),
    fields(
      {
        by: by('records', 'records of length bytes each'),
        length: about('records: bytes of one record', whole('bytes of one record, at least 1', 1)),
        ...cuts,
      },
      MAP,
    ),
    fields(
      {
        by: by('file', 'one whole input, compressed or not; with pack, several'),
        pack: maybe(
          'file: how many files, or bytes of them, are at most one task',
          v.union(
            [
              packFiles(),
              v.pipe(
                text(PACK, /[A-Za-z]\s*$/),
                v.check((amount) => v.is(size(), amount), PACK),
              ),
              fields(
                {
                  files: v.optional(about('most files of a task', packFiles())),
                  bytes: v.optional(bytes('most bytes of a task; a larger file is a task of its own')),
                },
                PACK,
              ),
            ],
            PACK,
          ),
        ),
      },
      MAP,
    ),
    fields({ by: by('list', 'one line of the input, as {item} in arguments and on stdin') }, MAP),
    fields(
      {
        by: by('table', 'one row of CSV or JSON Lines, each column a parameter'),
        delimiter: maybe('table: as for csv (default: as the header shows)', text(DELIMITER, SEPARATOR)),
        quote: v.optional(about('table: as for csv', text(QUOTE_ALLOWED, QUOTE)), '"'),
      },
      MAP,
    ),
    fields(
      {
        by: by('range', 'one whole number, both ends included, as {index}: an array job'),
        from: about('range: the first number', whole('a whole number', -1e15, 1e15)),
        to: about('range: the last number', whole('a whole number', -1e15, 1e15)),
      },
      MAP,
    ),
    fields(
      {
        by: by('grid', "one combination of the axes' values, each as a parameter"),
        axes: about(
          'grid: parameter names and their values; every combination is a part',
          v.pipe(
            mapOf(paramName(), axis(), 'a map of parameter names and their values'),
            v.check((axes) => hasFewValues(axes), `at most ${MOST_AXIS_VALUES} values in all axes`),
          ),
        ),
        zip: maybe(
          'grid: lists of axes whose values go together, the first with the first; each as many',
          listOf(listOf(text(AXES), ZIP), ZIP),
        ),
        exclude: maybe(
          'grid: combinations that are left out: those that have, of each axis that an entry names, its value or one of them',
          listOf(
            mapOf(
              paramName(),
              v.union([plainValue(), someOf(plainValue(), VALUES, 'at least one value')], VALUES),
              EXCLUDED,
            ),
            `a list, of ${EXCLUDED}`,
          ),
        ),
      },
      MAP,
    ),
  ],
  ({ path }) => (path === undefined ? MAP : 'lines, csv, jsonl, records, file, list, table, range or grid'),
);

export function splitOf(split: v.InferOutput<typeof splitSchema>): SplitSpec {
  switch (split.by) {
    case 'lines':
    case 'jsonl':
      return { by: split.by, ...cutBy(split) };
    case 'csv': {
      const { by, header, delimiter, quote, exact } = split;
      // `exact` is absent unless set, so that the digests of older jobs stay.
      return { by, header, delimiter, quote, ...(exact && { exact }), ...cutBy(split) };
    }
    case 'records':
      return { by: split.by, length: split.length, ...cutBy(split) };
    case 'file':
      return { by: split.by, ...(split.pack !== undefined && { pack: packOf(split.pack) }) };
    case 'table': {
      const { by, delimiter, quote } = split;
      return { by, quote, ...(delimiter !== undefined && { delimiter }) };
    }
    case 'grid': {
      const { by, axes, zip = [], exclude = [] } = split;
      const dropped = exclude.map((entry) => mapValues(entry, (values) => [values].flat().map(String)));
      return {
        by,
        axes: mapValues(axes, axisValues),
        ...(zip.length > 0 && { zip }),
        ...(dropped.length > 0 && { exclude: dropped }),
      };
    }
    default:
      return split;
  }
}

const mapValues = <T, R>(map: Readonly<Record<string, T>>, of: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(map).map(([name, value]) => [name, of(value)]));

function packOf(pack: number | string | { files?: number | undefined; bytes?: number | undefined }): PackLimits {
  if (typeof pack === 'number') return { files: pack };
  if (typeof pack === 'string') return { bytes: parseSize(pack) };
  const { files, bytes: most } = pack;
  return { ...(files !== undefined && { files }), ...(most !== undefined && { bytes: most }) };
}
