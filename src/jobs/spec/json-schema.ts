import * as z from 'zod';
import { describeField, type JsonSchema } from '../../lib/json-schema.ts';
import { jobFileSchema } from './schema.ts';

/** What each field of a job file is for: a line each, for the JSON Schema (`docs/job-file.md` is the manual). */
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
  'input.split.length': 'records: bytes of one record',
  'input.split.from': 'range: the first number',
  'input.split.to': 'range: the last number',
  'input.split.axes': 'grid: parameter names and their values; every combination is a part',
  steps: 'the steps, in order',
  'steps.[].name': 'name of the step, unique in the job',
  'steps.[].run': 'a list of program and arguments (without a shell), or text for /bin/sh -c',
  'steps.[].gather': 'wait for all chains and process their outputs together (default: false)',
  'steps.[].input': 'how the command receives its input: stdin (default), file; for gathers also dir, list',
  'steps.[].output': 'how the command returns its output: stdout (default), file, files',
  'steps.[].header': "once: keep only the first header line of a gather's joined input",
  'steps.[].join':
    "lines: end each of a gather's joined outputs with a line end; bytes: join them unchanged (default: as the input is split)",
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

/** The JSON Schema of a job file, with each field's meaning. */
export function jobJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(jobFileSchema, { io: 'input' });
  schema.title = 'batchctl job file';
  for (const [path, description] of Object.entries(JOB_FIELD_DOCS))
    describeField(schema, path.split('.'), { description });
  return schema;
}
