import { BatchctlError } from '../../errors.ts';
import { joinedNote } from '../../jobs/fetch/target.ts';
import { formatSize } from '../../lib/units.ts';
import type { FetchAnswer } from '../../model/answers/data.ts';
import { type FetchEvent, fetch, fetchTable } from '../../verbs/fetch.ts';
import type { CommandDefinition, CommandHelp, RawInput, RunVerb } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatMany } from '../format.ts';
import { runInProcess } from '../in-process.ts';
import { type Progress, startProgress } from '../progress.ts';
import { printAnswer } from '../render.ts';
import { showTable, tableTarget } from '../task-table.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

const HELP: CommandHelp = {
  about:
    'Each output is compared with the checksum recorded when it was published. Files appear complete or not at all. Correct existing files are kept, so the same command resumes an interrupted fetch. An existing FILE or s3://BUCKET/KEY is replaced without a question once the new one is complete, and so are files in DIR/ that have the name of an output. If whole files were the input (split by file), files in DIR/ have their paths, below the directory that the inputs have in common; otherwise they are named {task} (nine digits), or {step} after a gather. With `output: files` these are directories. --name {task} always numbers them; --name {dir}/{stem}.json changes the type. Two outputs of one name are refused before anything is written, and so is replacing an input. An unfinished job yields the outputs it has so far, and so does one with failed tasks. A job that failed because a control total (`expect`) does not hold is refused, and nothing is written, without --allow-unproven. Without -o, a step with a single output is written to stdout. If store and target are both in S3, S3 copies the objects below s3://BUCKET/PREFIX/, and the SHA-256 that it computes of each copy is compared; then _manifest.json (job, step, and size and checksum of each file) is written, and finally _SUCCESS. Outputs joined into s3://BUCKET/KEY pass through this machine (with --header once, through a file in TMPDIR), and an interrupted upload is resumed. A prefix with outputs of another job or step, or with files of others that have the name of an output, is refused without --yes. With --join lines, an output without a final line end gets one before the next output, so that no two records share a line; --join bytes adds nothing. The default is lines with --header once, and bytes for input that is not split as text; for input split into lines, csv or jsonl, it is lines if the first outputs are text, and otherwise bytes. --header once drops a first line only if it equals that of the first output; if it differs, or the outputs are not text, the join is refused. Anything written to stdout before an altered output or a different first line was found stays written. --table writes what the tasks were given and what came of them, at any time: a row a task of --step (default: the last step whose tasks are those of the split), also for those that failed or have not run. Its columns are task, step (where the chain of the task is, or ended), state, attempts, seconds, then parameters, counters, and the fields of the output if that is one JSON object, a CSV header with one record, or one line of CSV, of at most 64 KiB. A name that two of them have is preceded by param:, counter: or output:. Nothing is delivered.',
  examples: [
    'batchctl fetch last -o results/',
    'batchctl fetch key:month-end-2026-11 --step price -o priced.csv --header once',
    'batchctl fetch -o results/ --name {dir}/{stem}.json',
    'batchctl fetch last --table results.csv',
    'batchctl fetch key:month-end-2026-11 -o s3://acme-reports/claims/2026-11/ --name totals-{task}.csv',
  ],
  exitCodes: {
    0: 'fetched; stderr says how many outputs are missing',
    4: 'no such job or step, or no output so far',
    3: 'no credentials for the bucket, or access was denied',
    7: "the target can't be written or holds another job's outputs, or the outputs have no common header",
    8: 'the outputs do not fit at the target; nothing was written',
    9: 'an output was altered after it was published; or a control total does not hold, without --allow-unproven',
  },
  related: ['run', 'tasks', 'status', 'verify'],
};

const OPTIONS = {
  '--table <file>':
    'instead of outputs: a .csv, .tsv or .jsonl (- is CSV on stdout) with a row a task: its state, parameters, counters, and the fields of its output',
};

/** A table is made by another verb, which reads all tasks, also those without an output. */
export function fetchCommand(ctx: Context): CommandDefinition {
  const outputs = verbCommand(ctx, fetch, { help: HELP, options: OPTIONS, show: () => fetchPresenter(ctx) });
  const runBy = async (runVerb: RunVerb, { table, ...given }: RawInput): Promise<number> => {
    if (table === undefined) return (await outputs.runBy?.(runVerb, given)) ?? 0;
    const other = ['output', 'name', 'header', 'join'].find((name) => given[name] !== undefined);
    if (other !== undefined) {
      throw new BatchctlError('usage', `expected one of --table and --${other}, found both`, {
        hint: '--table writes a row a task to its own file; fetch the outputs by another command',
      });
    }
    const target = await tableTarget(ctx, String(table));
    const rows = verbCommand(ctx, fetchTable, { help: HELP, show: () => showTable(ctx, target) });
    return (await rows.runBy?.(runVerb, given)) ?? 0;
  };
  return {
    ...outputs,
    runBy,
    run: (input) => runBy((verb, given, tell) => runInProcess(ctx, verb, given, tell), input),
  };
}

function fetchPresenter(ctx: Context): Presenter<FetchAnswer, FetchEvent> {
  let progress: Progress | null = null;
  let toStdout = false;
  return {
    async event(event) {
      if (event.event === 'fetching') {
        toStdout = event.to === 'stream';
        // On a terminal, the outputs and a spinner would overwrite each other.
        if (toStdout && ctx.io.stdout.isTTY === true) return;
        progress = await startProgress(ctx, 'fetching', 'bytes');
      } else if (event.event === 'progress') progress?.update(event.bytes, null);
      else {
        progress?.update(event.fetched.bytes, null);
        progress?.done(toStdout ? lineOf(event.fetched) : undefined);
        progress = null;
      }
    },
    async answer(fetched) {
      if (!toStdout)
        await printAnswer(ctx, {
          json: fetched,
          text: lineOf(fetched) + joinedNote(fetched.output, fetched.outputs, ctx.io.cwd),
        });
    },
    close: () => progress?.failed(),
  };
}

function lineOf({ outputs, step, bytes, output, kept }: FetchAnswer): string {
  const unchanged = kept === 0 ? '' : `, ${formatCount(kept)} of them kept as they were`;
  return `fetched ${formatMany(outputs, 'output')} of ${step} (${formatSize(bytes)}) to ${output}${unchanged}`;
}
