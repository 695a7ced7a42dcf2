import * as z from 'zod';
import { describeField, type JsonSchema } from '../../lib/json-schema.ts';
import { jobFileSchema } from './schema.ts';

/** What each field of a job file is for: a line each, for the JSON Schema (`docs/job-file.md` is the manual). */
export const JOB_FIELD_DOCS: Readonly<Record<string, string>> = {
  $schema: 'the schema of this file, for editors',
  name: "the job's name; ids begin with it",
  files: 'files shipped to the workers, relative to the job file; globs allowed',
  params: 'defaults of parameters: {name} in inputs and arguments, BATCHCTL_PARAM_NAME in commands',
  input: 'what is read, and how it is cut into parts',
  'input.from': 'a path relative to the job file, store:KEY, s3://BUCKET/KEY or job:ID/STEP; absent: --input must say',
  'input.split': 'how the input becomes parts (default: each input whole)',
  'input.split.by': 'lines, csv, jsonl, records, file, list, range or grid',
  'input.split.every': 'records a part',
  'input.split.size': 'bytes a part, about: cut at the nearest record boundary',
  'input.split.header': 'csv: every task gets the first line (default: false)',
  'input.split.delimiter': 'csv: what separates fields (default: a comma)',
  'input.split.quote': 'csv: what encloses fields (default: "); "" where quotes mean nothing',
  'input.split.length': 'records: bytes of one record',
  'input.split.from': 'range: the first number',
  'input.split.to': 'range: the last number',
  'input.split.axes': 'grid: parameter names and their values; every combination is a part',
  steps: 'what is done, in this order',
  'steps.[].name': "the step's name, unique in the job",
  'steps.[].run': 'a list of program and arguments (no shell), or text for /bin/sh -c',
  'steps.[].gather': 'wait for all chains and take their outputs (default: false)',
  'steps.[].input': 'how the command gets its input: stdin (default), file; for gathers also dir, list',
  'steps.[].output': 'how the command gives its output: stdout (default), file, files',
  'steps.[].header': "once: keep only the first header line of a gather's joined input",
  'steps.[].join':
    "lines: end each of a gather's joined outputs with a line end; bytes: join them as they are (default: as the input is split)",
  'steps.[].explode':
    'make each file of output: files a task of the next step, once all chains are in (default: false)',
  'steps.[].group': 'the worker group that runs it (default: default)',
  'steps.[].attempts': 'how often a task is tried (default: 3)',
  'steps.[].timeout': 'how long an attempt may take, staging included (default: 1h; at most 11 h on SQS)',
  'steps.[].stall': 'end an attempt that writes no byte for so long (default: off)',
  'steps.[].needs': 'what a task takes of its worker',
  'steps.[].needs.slots': 'slots, or all of them (default: 1)',
  'steps.[].needs.memory': 'memory that must be free (default: none)',
  'steps.[].needs.disk': 'disk that must be free (default: none)',
  'steps.[].env': 'plain values in the environment of the command',
  'steps.[].secrets': 'names and references, resolved by the worker at each attempt',
  'steps.[].permanent': 'exit codes that no retry can mend',
  'steps.[].maxRunning': 'at most so many tasks of the step at once, about',
  'steps.[].interruptions':
    'after so many interruptions by spot a task goes to the fallback group (default: 3 with fallback)',
  'steps.[].fallback': 'the group that takes what is interrupted so often',
  tolerate: 'chains that may fail for good and still let gathers open: a count, or "0.1%" (default: 0)',
  onFailure: 'finish: the other chains go on (default); stop: send no more',
  halt: 'pause once so many percent of at least 20 ended tasks failed (default: off); never: nor where the program seems to be at fault',
  expect: 'control totals; not met: the job failed',
  labels: 'words to find jobs by',
  maxRunning: 'at most so many tasks of the job at once, about',
  maxTasks: 'refuse a job of more parts, or of more files behind an explode (default: 1000000)',
  deliver: 'where outputs are put when the job succeeded',
  'deliver.to': 'a directory relative to the job file, or s3://BUCKET/PREFIX',
  'deliver.name': 'names of the files (default: {step}-{task})',
  'deliver.marker': 'the file written last (default: _SUCCESS)',
  notify: 'who hears of what',
  'notify.[].on': 'succeeded, failed, late, paused, budget, no-start',
  'notify.[].to': 'sns:TOPIC, https://... or exec:./program',
  'notify.[].secret': 'of https: what signs the body: ssm:, secretsmanager:; on the local profile also env:, file:',
};

/** The JSON Schema of a job file, with each field's meaning. */
export function jobJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(jobFileSchema, { io: 'input' });
  schema.title = 'batchctl job file';
  for (const [path, description] of Object.entries(JOB_FIELD_DOCS))
    describeField(schema, path.split('.'), { description });
  return schema;
}
