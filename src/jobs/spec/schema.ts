import * as v from 'valibot';
import {
  about,
  duration,
  fields,
  listOf,
  mapOf,
  maybe,
  notifyList,
  oneOf,
  plainValue,
  secretReference,
  someOf,
  text,
  textsOf,
  variableName,
  whole,
  yesOrNo,
} from '../../lib/fields.ts';
import { type JsonSchema, jsonSchemaOf } from '../../lib/json-schema.ts';
import { parseDuration } from '../../lib/units.ts';
import { type JobSpec, MAX_TASKS, parseTolerance, type StepSpec } from '../../model/job.ts';
import { notificationsOf } from '../../model/notify.ts';
import { EXTENSION, usesPlaceholder } from '../../model/substitute.ts';
import { bytes, paramName, splitOf, splitSchema } from './split-schema.ts';

/** A map of names and plain values, which are text to commands. */
const plainMap = (purpose: string, name: ReturnType<typeof paramName>, allowed: string) =>
  v.optional(v.pipe(about(purpose, mapOf(name, plainValue(), allowed)), v.transform(textsOf)), {});

const seconds = (purpose: string) => v.pipe(about(purpose, duration()), v.transform(parseDuration));
/** Characters of an input or an equation; Linux has the same limit for paths. */
export const LONGEST_TEXT = 4_096;

const FROM = 'a path relative to the job file, store:KEY, s3://BUCKET/KEY, job:ID/STEP, or a list of these';

const SOURCE =
  /^(?!store:(\/|$))(?!(?!s3:)[a-z][a-z0-9+.-]*:\/\/)(?!s3:(?!\/\/[^/\s]+\/\S))(?!job:(?!.+\/[a-z][a-z0-9-]{0,39}$))[^\0]*\S[^\0]*$/;

const source = () => v.pipe(text(FROM, SOURCE), v.maxLength(LONGEST_TEXT, FROM));

const inputSchema = v.pipe(
  about(
    'the input, and how it is split into parts',
    fields(
      {
        from: maybe(
          'what to read; if absent, --input is required',
          v.union([source(), someOf(source(), FROM, 'at least one input')], FROM),
        ),
        split: v.optional(about('how the input becomes parts; each part is one task of the first step', splitSchema), {
          by: 'file',
        }),
      },
      'a map with from and split',
    ),
  ),
  v.transform(({ from = [], split }) => ({ from: typeof from === 'string' ? [from] : from, split: splitOf(split) })),
);

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
  v.pipe(
    v.union([v.string(), v.number(), v.boolean()], ARGUMENT),
    v.check((value) => typeof value !== 'string' || !value.includes('\0'), ARGUMENT),
    v.transform(String),
  );

const attemptLimit = () => whole('a whole number from 1 to 1000', 1, 1000);

/** How often a task with a fallback group may be interrupted. */
const INTERRUPTIONS = 3;

const stepSchema = fields(
  {
    name: about('name of the step, unique in the job; not input', name('a step name')),
    run: about(
      'a list is program and arguments, run without a shell, with placeholders; text runs under /bin/sh -c',
      v.union([text(RUN, /^[^\0]*\S[^\0]*$/), someOf(argument(), RUN, 'at least a program')], RUN),
    ),
    gather: v.optional(
      about('take the outputs of all chains as one task; not the first step. A gather may follow a gather', yesOrNo()),
      false,
    ),
    input: v.optional(
      about(
        'how the command receives its input. file: $BATCHCTL_INPUT. First step of a split by file: url, the path or URL of the input, without a copy. Gathers: dir, a directory of outputs; list, a list of them with their keys. First step with pack: dir, list, of files',
        oneOf('stdin', 'file', 'url', 'dir', 'list'),
      ),
      'stdin',
    ),
    output: maybe(
      'how the command returns its output: stdout (default); file: $BATCHCTL_OUTPUT (default with {output} in run); files: any number in $BATCHCTL_OUTPUT_DIR; none: it works by side effects',
      oneOf('stdout', 'file', 'files', 'none'),
    ),
    extension: maybe(
      'the extension of {output} and $BATCHCTL_OUTPUT, such as .mkv; only with output: file',
      text('an extension such as .mkv: a dot, then letters, digits, _ and -', EXTENSION),
    ),
    header: maybe(
      'once: a gather that reads joined outputs (stdin or file) keeps only the first header line',
      oneOf('once'),
    ),
    join: maybe(
      'how the outputs that such a gather reads are joined. lines: each ends with a line end; bytes: unchanged (default: as the input is split, for text by a guess from the first outputs)',
      oneOf('lines', 'bytes'),
    ),
    explode: v.optional(
      about(
        'make each file of output: files a task of the next step, which must be a map step, once all chains are done',
        yesOrNo(),
      ),
      false,
    ),
    group: v.optional(about('the worker group that runs it', name('a group name')), 'default'),
    attempts: v.optional(about('tries of a task in a round; interruptions do not count', attemptLimit()), 3),
    timeout: v.optional(
      seconds(
        'time limit of an attempt, staging included; at most 11 h if tasks are sent by SQS (checked when the job is planned)',
      ),
      '1h',
    ),
    stall: v.optional(seconds('end an attempt that writes no byte for this long (default: off)')),
    needs: v.optional(
      about(
        'resources that a task needs',
        fields(
          {
            slots: v.optional(
              about(
                'slots, or all of them',
                v.union(
                  [v.literal('all'), whole('a whole number from 1, or all', 1, 10_000)],
                  'a whole number from 1, or all',
                ),
              ),
              1,
            ),
            memory: v.optional(bytes('memory that must be free (default: none)')),
            disk: v.optional(bytes('disk that must be free (default: none)')),
          },
          'a map with slots, memory, disk',
        ),
      ),
      {},
    ),
    env: plainMap(
      "plain values in the command's environment; not BATCHCTL_...",
      variableName(),
      'a map of variable names and plain values',
    ),
    secrets: v.optional(
      about(
        'references, resolved by the worker at each attempt, masked in logs, never stored',
        mapOf(variableName(), secretReference(), 'a map of variable names and references'),
      ),
      {},
    ),
    permanent: v.optional(
      about(
        'exit codes that a retry cannot fix: from 1 to 255, not 75',
        listOf(
          v.pipe(
            whole('exit codes from 1 to 255', 1, 255),
            v.check((code) => code !== 75, 'exit codes from 1 to 255 except 75, which requests a retry'),
          ),
          'a list of exit codes',
        ),
      ),
      [],
    ),
    maxRunning: maybe(
      "approximate number of the step's tasks that run at once (default: no limit)",
      whole('a whole number from 1', 1),
    ),
    interruptions: maybe(
      `after this many interruptions of a task, in a round, the fallback group takes it over (default: ${INTERRUPTIONS} with fallback)`,
      attemptLimit(),
    ),
    fallback: maybe(
      "the group that takes over tasks that spot keeps interrupting; not the step's own",
      name('a group name'),
    ),
  },
  'a step: a map with at least name and run',
);

/** A step with the defaults that depend on other fields. `own`: parameters, which placeholders of the same name stand for. */
function stepOf(step: v.InferOutput<typeof stepSchema>, own: readonly string[]): StepSpec {
  const { extension, join, needs, fallback = null, interruptions = INTERRUPTIONS, ...rest } = step;
  const named = usesPlaceholder(step.run, 'output') && !own.includes('output');
  return {
    ...rest,
    output: step.output ?? (named ? 'file' : 'stdout'),
    // Absent unless given, so that the digests of older jobs stay.
    ...(extension !== undefined && { extension }),
    header: step.header ?? null,
    ...(join !== undefined && { join }),
    stall: step.stall ?? null,
    needs: { slots: needs.slots, memory: needs.memory ?? 0, disk: needs.disk ?? 0 },
    maxRunning: step.maxRunning ?? null,
    interruptions: fallback === null ? null : interruptions,
    fallback,
  };
}

const TOLERATE = 'a count from 0, or a share from "0%" to "100%"';

const HALT = 'a share over 0% such as 5%, or never';

const EQUATION = `an equation such as price.records == input.records, at most ${LONGEST_TEXT} characters`;

const PERCENT = /^(100(\.0+)?|\d{1,2}(\.\d+)?)%$/;

const writtenSchema = fields(
  {
    $schema: maybe('the schema of this file, for editors', v.string('text')),
    name: about('name of the job; ids begin with it: claims-20261130-0600-k3f9q', name('a job name')),
    files: v.optional(
      about(
        'files to ship to the workers, content-addressed; relative to the job file, globs allowed; not absolute, no ..',
        listOf(
          text('a path or glob relative to the job file, not absolute, without ..', RELATIVE),
          'a list of paths or globs',
        ),
      ),
      [],
    ),
    params: plainMap(
      'defaults of parameters, which --set NAME=VALUE replaces: {name} in inputs and arguments, BATCHCTL_PARAM_NAME in commands',
      paramName(),
      'a map of names and plain values',
    ),
    input: v.optional(inputSchema),
    steps: about('the steps, in order', someOf(stepSchema, 'a list of steps', 'at least one step')),
    tolerate: v.optional(
      v.pipe(
        about(
          'chains that may fail for good while gathers still open; a share is rounded down',
          v.union([whole(TOLERATE, 0), text(TOLERATE, /^(\d{1,15}|(100(\.0+)?|\d{1,2}(\.\d+)?)%)$/)], TOLERATE),
        ),
        v.transform((tolerance) => parseTolerance(String(tolerance))),
      ),
      0,
    ),
    onFailure: v.optional(
      about(
        'finish: the other chains continue; stop: no tasks are sent after the first that failed for good',
        oneOf('finish', 'stop'),
      ),
      'finish',
    ),
    halt: v.optional(
      v.pipe(
        about(
          'pause once 20 tasks have ended and this share of them failed (default: off); never: not even if its first 20 tasks all fail alike, or its program seems to be faulty',
          text(HALT, new RegExp(`${PERCENT.source}|^never$`)),
        ),
        v.check((share) => share === 'never' || Number.parseFloat(share) > 0, HALT),
        v.transform((share) => (share === 'never' ? share : Number.parseFloat(share) / 100)),
      ),
    ),
    expect: v.optional(
      about(
        'control totals; if one is not met, the job fails',
        listOf(v.pipe(text(EQUATION), v.maxLength(LONGEST_TEXT, EQUATION)), 'a list of equations'),
      ),
      [],
    ),
    labels: plainMap(
      'labels to find jobs by: jobs --label team=finance; names of at most 63 letters, digits and . _ / -',
      text('a label name: letters, digits and . _ / -, at most 63', /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/),
      'a map of names and plain values',
    ),
    maxRunning: maybe(
      "approximate number of the job's tasks that run at once; enforced by the workers (default: no limit)",
      whole('a whole number from 1', 1),
    ),
    maxTasks: v.optional(
      about(
        'a job of more parts is refused (exit 7); more files from an explode fail it',
        whole(`a whole number from 1 to ${MOST_TASKS}`, 1, MOST_TASKS),
      ),
      MAX_TASKS,
    ),
    deliver: maybe(
      'where outputs are put once the job succeeds',
      fields(
        {
          to: about(
            'where outputs are put; may contain parameters, {period} and {job}',
            text('a directory relative to the job file, or s3://BUCKET/PREFIX', /^[^\0]*\S[^\0]*$/),
          ),
          name: v.optional(
            about('names of the files', text('a file name pattern without .. such as {step}-{task}', RELATIVE)),
            '{step}-{task}',
          ),
          marker: v.optional(
            about('the file that is written last', text('a file name', /^(?!\.{1,2}$)[^/\0]+$/)),
            '_SUCCESS',
          ),
        },
        'a map with to, name, marker',
      ),
    ),
    notify: v.optional(about('who is notified of what', notifyList()), []),
  },
  'a map with at least name and steps',
);

/** A job file; its output is the job's spec, with units converted and every default filled in. */
export const jobFileSchema = v.pipe(
  writtenSchema,
  v.transform(({ $schema: _, ...file }): JobSpec => {
    const { input = null, halt = null, maxRunning = null, deliver = null } = file;
    const axes = input?.split.by === 'grid' ? input.split.axes : {};
    const own = [...Object.keys(file.params), ...Object.keys(axes)];
    const steps = file.steps.map((step) => stepOf(step, own));
    return { ...file, input, steps, halt, maxRunning, deliver, notify: notificationsOf(file.notify) };
  }),
);

/** The JSON Schema of job files: `schema/job.schema.json` is generated from it. */
export const jobJsonSchema = (): JsonSchema => jsonSchemaOf(writtenSchema, 'batchctl job file');
