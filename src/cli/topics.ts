import { EXIT_MEANINGS } from './command.ts';
import { columns, wrap } from './help.ts';
import { withPagePaths } from './pages.ts';

/** The texts of `batchctl help TOPIC` and docs/cli/README.md, each on one screen of 80 x 24. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly text: string;
  readonly rows: readonly (readonly [term: string, text: string])[];
  /** Lines of a file or of a shell. */
  readonly example: readonly string[];
  /** The page below docs/ that says all. */
  readonly page: string;
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'job-files',
    summary: 'what to read, how to split it, and what to run',
    text: 'A job file is YAML or JSON. It says what to read, how to split it into parts, and which steps each part goes through. A command gets its part on stdin; what it prints is its output. batchctl init writes one, and batchctl plan checks it.',
    rows: [
      ['{input}', 'in arguments of run: the file with the part; stdin is then empty'],
      ['{name}', "in arguments: the input's base name; {stem}: without its extension"],
      ['{index}', "in arguments: the part's number; {item}: the line (split list)"],
      ['{NAME}', 'in arguments: a parameter, which --set NAME=VALUE changes'],
      ['gather', 'true: the step runs once, on all outputs of the step before'],
    ],
    example: [
      'name: claims',
      'files: [price.mjs]',
      'input: { from: claims.csv, split: { by: csv, size: 32MB, header: true } }',
      'steps:',
      '  - { name: price, run: [node, price.mjs], attempts: 3, timeout: 10m }',
      '  - { name: totals, gather: true, run: "sort -n" }',
    ],
    page: 'job-file.md',
  },
  {
    name: 'splits',
    summary: 'how an input becomes tasks',
    text: 'Each part is one task of the first step. In a job file: split: { by: csv, size: 32MB }. On the command line: --split csv:32MB. A bare number counts records, and one with a unit bytes.',
    rows: [
      ['lines:100', 'lines of text'],
      ['csv:32MB', 'CSV records; options: csv:32MB,header,delimiter=;'],
      ['jsonl:16MB', 'lines, each a JSON value'],
      ['records:80:1000', 'records of 80 bytes, 1,000 to a part'],
      ['file', 'one whole input, such as each match of "videos/*.mp4"'],
      ['list', 'one line of the input, as {item} and on stdin'],
      ['range:1-500', 'one whole number, as {index}; reads nothing'],
      ['grid', 'one combination of values; --grid a=1,2 --grid b=1..9'],
    ],
    example: [
      'batchctl run --input app.log --split lines:10000 -o counts/ -- grep -c ERROR',
      "batchctl run --input 'in/*.mp4' --split file -o out/ -- ./conv {input} {stem}",
      'batchctl run --split range:1-500 -o out/ -- ./render --frame {index}',
    ],
    page: 'job-file.md',
  },
  {
    name: 'exit-codes',
    summary: 'what the exit code of a command means',
    text: 'Every command uses the same codes. Its own help says where one means more.',
    rows: Object.entries(EXIT_MEANINGS),
    example: [],
    page: 'exit-codes.md',
  },
  {
    name: 'environment',
    summary: 'variables that batchctl reads, and that commands of a job get',
    text: 'batchctl reads the first two; the commands of a job get the others. --config and --profile override what batchctl reads.',
    rows: [
      ['BATCHCTL_CONFIG', 'the configuration file'],
      ['BATCHCTL_PROFILE', 'the profile'],
      ['BATCHCTL_INPUT', 'the file with the input, if the step has input: file'],
      ['BATCHCTL_INPUT_NAME', 'the file that the part comes from; _BASENAME and _STEM of it'],
      [
        'BATCHCTL_FIRST_RECORD',
        "the number of the part's first record in it, where they were counted; BATCHCTL_RECORDS of them",
      ],
      ['BATCHCTL_OUTPUT', 'the file to write, if the step has output: file'],
      ['BATCHCTL_OUTPUT_DIR', 'the directory to write into, if it has output: files'],
      ['BATCHCTL_COUNTERS', 'the file for counters, one "name value" a line'],
      ['BATCHCTL_PARAM_NAME', 'the parameter NAME'],
      ['BATCHCTL_JOB', "the job's id; also BATCHCTL_STEP, _TASK and _ROUND"],
      ['BATCHCTL_ATTEMPT', "the attempt's id; _ATTEMPT_NUMBER counts from 1"],
      ['BATCHCTL_WORKER_ID', 'the worker that runs it'],
      ['BATCHCTL_DEADLINE', 'when the attempt times out, in ISO 8601'],
    ],
    example: [],
    page: 'job-file.md',
  },
];

/** The topic that was meant by `exit codes`, `exit-code` or `exitcodes`; null for another word. */
export function topicNamed(said: string): Topic | null {
  const bare = (text: string): string => text.toLowerCase().replace(/[\s-]/g, '').replace(/s$/, '');
  return TOPICS.find(({ name }) => bare(name) === bare(said)) ?? null;
}

export function topicText({ text, rows, example, page }: Topic, width: number): string {
  const blocks = [
    wrap(text, Math.min(width, 120)).join('\n'),
    ...(rows.length === 0 ? [] : [columns(rows, width)]),
    ...(example.length === 0 ? [] : [example.map((line) => `  ${line}`).join('\n')]),
    withPagePaths(`See docs/${page}`),
  ];
  return `${blocks.join('\n\n')}\n`;
}
