import * as z from 'zod';
import {
  duration,
  fields,
  listOf,
  mapOf,
  notifyList,
  oneOf,
  plainValue,
  secretReference,
  size,
  text,
  variableName,
  whole,
  yesOrNo,
} from '../../lib/fields.ts';
import { describeField, type JsonSchema } from '../../lib/json-schema.ts';
import { EXTENSION } from '../../model/substitute.ts';

const MAP = 'a map with by and its fields, such as { by: csv, size: 32MB }';

/** Names that become `{name}` in arguments and `BATCHCTL_PARAM_NAME` in commands. */
const paramName = () => text('letters, digits and _, not beginning with a digit', /^[A-Za-z_][A-Za-z0-9_]*$/);

const every = whole('a whole number of records, at least 1', 1).optional();

const cuts = { every, size: size().optional() };

// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators of records and units separate fields.
const SEPARATOR = /^[\t\x1c-\x7e]$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as for a separator.
const QUOTE = /^[\t\x1c-\x7e]?$/;

const splitSchema = z.discriminatedUnion(
  'by',
  [
    fields({ by: z.literal('lines'), ...cuts }, MAP),
    fields(
      {
        by: z.literal('csv'),
        ...cuts,
        header: yesOrNo().optional(),
        delimiter: text(
          'what separates fields: one ASCII character, no line end; "\\x1f" for the unit separator',
          SEPARATOR,
        ).optional(),
        quote: text('what encloses fields: one ASCII character, no line end; or none', QUOTE).optional(),
        exact: yesOrNo().optional(),
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

/** Characters of an input or an equation; Linux has the same limit for paths. */
export const LONGEST_TEXT = 4_096;

const FROM = 'a path relative to the job file, store:KEY, s3://BUCKET/KEY, job:ID/STEP, or a list of these';

const SOURCE =
  /^(?!store:(\/|$))(?!(?!s3:)[a-z][a-z0-9+.-]*:\/\/)(?!s3:(?!\/\/[^/\s]+\/\S))(?!job:(?!.+\/[a-z][a-z0-9-]{0,39}$))[^\0]*\S[^\0]*$/;

const source = () => text(FROM, SOURCE).max(LONGEST_TEXT, { error: FROM });

const inputSchema = fields(
  {
    from: z
      .union([source(), listOf(source(), FROM).min(1, { error: 'at least one input' })], { error: FROM })
      .optional(),
    split: splitSchema.optional(),
  },
  'a map with from and split',
);

export type SplitFile = z.infer<typeof splitSchema>;

/** The highest limit of a job's parts: task numbers have nine digits. */
const MOST_TASKS = 100_000_000;

const name = (what: string) =>
  text(`${what}: a-z first, then a-z, 0-9 and -, at most 40, and not last`, /^(?!last$)[a-z][a-z0-9-]{0,39}$/);

/** Paths that stay in their directory. */
const RELATIVE = /^(?!\/)(?!(.*\/)?\.\.(\/|$))[^\0]*\S[^\0]*$/;

const RUN = 'a list of program and arguments, or text for /bin/sh -c';

const ARGUMENT = 'text without a NUL, in quotes where YAML needs them: "{input}"';

/** Numbers and booleans are text to a command. */
const argument = () =>
  z
    .union([z.string(), z.number(), z.boolean()], { error: ARGUMENT })
    .refine((value) => typeof value !== 'string' || !value.includes('\0'), { error: ARGUMENT });

const stepSchema = fields(
  {
    name: name('a step name'),
    run: z.union([text(RUN, /^[^\0]*\S[^\0]*$/), listOf(argument(), RUN).min(1, { error: 'at least a program' })], {
      error: RUN,
    }),
    gather: yesOrNo().optional(),
    input: oneOf('stdin', 'file', 'dir', 'list').optional(),
    output: oneOf('stdout', 'file', 'files', 'none').optional(),
    extension: text('an extension such as .mkv: a dot, then letters, digits, _ and -', EXTENSION).optional(),
    header: oneOf('once').optional(),
    join: oneOf('lines', 'bytes').optional(),
    explode: yesOrNo().optional(),
    group: name('a group name').optional(),
    attempts: whole('a whole number from 1 to 1000', 1, 1000).optional(),
    timeout: duration().optional(),
    stall: duration().optional(),
    needs: fields(
      {
        slots: z
          .union([z.literal('all'), whole('a whole number from 1, or all', 1, 10_000)], {
            error: 'a whole number from 1, or all',
          })
          .optional(),
        memory: size().optional(),
        disk: size().optional(),
      },
      'a map with slots, memory, disk',
    ).optional(),
    env: mapOf(variableName(), plainValue(), 'a map of variable names and plain values').optional(),
    secrets: mapOf(variableName(), secretReference(), 'a map of variable names and references').optional(),
    permanent: listOf(
      whole('exit codes from 1 to 255', 1, 255).refine((code) => code !== 75, {
        error: 'exit codes from 1 to 255 except 75, which requests a retry',
      }),
      'a list of exit codes',
    ).optional(),
    maxRunning: whole('a whole number from 1', 1).optional(),
    interruptions: whole('a whole number from 1 to 1000', 1, 1000).optional(),
    fallback: name('a group name').optional(),
  },
  'a step: a map with at least name and run',
);

const TOLERATE = 'a count from 0, or a share from "0%" to "100%"';

const HALT = 'a share over 0% such as 5%, or never';

const EQUATION = `an equation such as price.records == input.records, at most ${LONGEST_TEXT} characters`;

const PERCENT = /^(100(\.0+)?|\d{1,2}(\.\d+)?)%$/;

/** The schema of a job file. `schema/job.schema.json` is generated from it. */
export const jobFileSchema = fields(
  {
    $schema: z.string({ error: 'text' }).optional(),
    name: name('a job name'),
    files: listOf(
      text('a path or glob relative to the job file, not absolute, without ..', RELATIVE),
      'a list of paths or globs',
    ).optional(),
    params: mapOf(paramName(), plainValue(), 'a map of names and plain values').optional(),
    input: inputSchema.optional(),
    steps: listOf(stepSchema, 'a list of steps').min(1, { error: 'at least one step' }),
    tolerate: z
      .union([whole(TOLERATE, 0), text(TOLERATE, /^(\d{1,15}|(100(\.0+)?|\d{1,2}(\.\d+)?)%)$/)], { error: TOLERATE })
      .optional(),
    onFailure: oneOf('finish', 'stop').optional(),
    halt: text(HALT, new RegExp(`${PERCENT.source}|^never$`))
      .refine((share) => share === 'never' || Number.parseFloat(share) > 0, { error: HALT })
      .optional(),
    expect: listOf(text(EQUATION).max(LONGEST_TEXT, { error: EQUATION }), 'a list of equations').optional(),
    labels: mapOf(
      text('a label name: letters, digits and . _ / -, at most 63', /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/),
      plainValue(),
      'a map of names and plain values',
    ).optional(),
    maxRunning: whole('a whole number from 1', 1).optional(),
    maxTasks: whole(`a whole number from 1 to ${MOST_TASKS}`, 1, MOST_TASKS).optional(),
    deliver: fields(
      {
        to: text('a directory relative to the job file, or s3://BUCKET/PREFIX', /^[^\0]*\S[^\0]*$/),
        name: text('a file name pattern without .. such as {step}-{task}', RELATIVE).optional(),
        marker: text('a file name', /^(?!\.{1,2}$)[^/\0]+$/).optional(),
      },
      'a map with to, name, marker',
    ).optional(),
    notify: notifyList().optional(),
  },
  'a map with at least name and steps',
);

export type JobFile = z.infer<typeof jobFileSchema>;

export type StepFile = JobFile['steps'][number];

/** The purpose of each field of a job file in one line, for the JSON Schema (`docs/job-file.md` is the manual). */
export const JOB_FIELD_DOCS: Readonly<Record<string, string>> = {
  $schema: 'the schema of this file, for editors',
  name: 'name of the job; ids begin with it',
  files: 'files to ship to the workers, relative to the job file; globs allowed',
  params: 'defaults of parameters: {name} in inputs and arguments, BATCHCTL_PARAM_NAME in commands',
  input: 'the input, and how it is split into parts',
  'input.from':
    'a path relative to the job file, store:KEY, s3://BUCKET/KEY or job:ID/STEP; if absent, --input is required',
  'input.split': 'how the input becomes parts (default: one part per input)',
  'input.split.by': 'lines, csv, jsonl, records, file, list, range or grid',
  'input.split.every': 'records per part',
  'input.split.size': 'approximate bytes per part: split at the nearest record boundary',
  'input.split.header': 'csv: repeat the first line for every task (default: false)',
  'input.split.delimiter': 'csv: field separator (default: a comma)',
  'input.split.quote': 'csv: quote character (default: "); "" where quotes mean nothing',
  'input.split.exact':
    'csv by size: read all of a large object on S3 to cut it, not only around the cuts (default: false)',
  'input.split.length': 'records: bytes of one record',
  'input.split.from': 'range: the first number',
  'input.split.to': 'range: the last number',
  'input.split.axes': 'grid: parameter names and their values; every combination is a part',
  steps: 'the steps, in order',
  'steps.[].name': 'name of the step, unique in the job',
  'steps.[].run': 'a list of program and arguments (without a shell), or text for /bin/sh -c',
  'steps.[].gather': 'wait for all chains and process their outputs together (default: false)',
  'steps.[].input': 'how the command receives its input: stdin (default), file; for gathers also dir, list',
  'steps.[].output':
    'how the command returns its output: stdout (default), file (default with {output} in run), files; none: it has none',
  'steps.[].extension': 'the extension of {output} and $BATCHCTL_OUTPUT, such as .mkv',
  'steps.[].header': "once: keep only the first header line of a gather's joined input",
  'steps.[].join':
    "lines: end each of a gather's joined outputs with a line end; bytes: join them unchanged (default: as the input is split, for text by a guess from the first outputs)",
  'steps.[].explode':
    'make each file of output: files a task of the next step, once all chains are done (default: false)',
  'steps.[].group': 'the worker group that runs it (default: default)',
  'steps.[].attempts': 'maximum number of attempts per task (default: 3)',
  'steps.[].timeout': 'time limit of an attempt, including staging (default: 1h; at most 11 h on SQS)',
  'steps.[].stall': 'end an attempt that writes nothing for this time (default: off)',
  'steps.[].needs': 'resources that a task needs',
  'steps.[].needs.slots': 'slots, or all of them (default: 1)',
  'steps.[].needs.memory': 'memory that must be free (default: none)',
  'steps.[].needs.disk': 'disk that must be free (default: none)',
  'steps.[].env': 'environment variables of the command',
  'steps.[].secrets': 'environment variables with references, read by the worker at each attempt',
  'steps.[].permanent': 'exit codes that are not retried',
  'steps.[].maxRunning': 'approximate limit on running tasks of the step',
  'steps.[].interruptions':
    'number of spot interruptions after which a task goes to the fallback group (default: 3 with fallback)',
  'steps.[].fallback': 'the group for tasks interrupted too often',
  tolerate: 'chains that may fail for good without stopping gathers: a count, or "0.1%" (default: 0)',
  onFailure: 'finish: the other chains continue (default); stop: send no more tasks',
  halt: "pause when this percentage of at least 20 ended tasks failed (default: off); never: also don't pause if the program seems faulty",
  expect: 'control totals; if one does not hold, the job fails',
  labels: 'labels to find jobs by',
  maxRunning: 'approximate limit on running tasks of the job',
  maxTasks: 'refuse a job with more parts, or more files after an explode (default: 1000000)',
  deliver: 'where outputs are delivered when the job succeeds',
  'deliver.to': 'a directory relative to the job file, or s3://BUCKET/PREFIX',
  'deliver.name': 'names of the files (default: {step}-{task})',
  'deliver.marker': 'the file written last (default: _SUCCESS)',
  notify: 'receivers of notifications',
  'notify.[].on': 'succeeded, failed, late, paused, budget, no-start',
  'notify.[].to': 'sns:TOPIC, https://... or exec:./program',
  'notify.[].secret':
    'for https: the secret that signs the body: ssm:, secretsmanager:; on the local profile also env:, file:',
};

export function jobJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(jobFileSchema, { io: 'input' });
  schema.title = 'batchctl job file';
  for (const [path, description] of Object.entries(JOB_FIELD_DOCS))
    describeField(schema, path.split('.'), { description });
  return schema;
}
