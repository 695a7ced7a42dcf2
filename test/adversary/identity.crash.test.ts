// Protects: a run key never answers with results that the same command under a fresh key would not give: exit 0 means
// these results, anything else is refused and writes nothing. Written from docs/job-file.md, "What a run key compares".
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { expect } from 'chai';
import { Chance } from '../support/chance.ts';
import { printedSeed } from '../support/sampling.ts';
import { Workspace } from '../support/workspace.ts';

/** A submission as a person would type it, with what it depends on. */
interface Typed {
  /** Below the workspace. */
  readonly directory: string;
  readonly period: string;
  readonly unusedParameter: string;
  readonly variable: string;
  /** Arguments of sh before the program. */
  readonly options: readonly string[];
  readonly split: string;
  readonly header: boolean;
  readonly finishBy: string | null;
  readonly label: string;
}

const FIRST: Typed = {
  directory: 'november',
  period: '2026-11',
  unusedParameter: 'EU',
  variable: 'a',
  options: [],
  split: 'lines:2',
  header: false,
  finishBy: null,
  label: 'x',
};

/** Prints everything that a task is given, so that each difference is one in the result. */
const SHOW = `cat; echo "$BATCHCTL_PARAM_REGION $VARIABLE $1"\n`;
const LINES = ['one', 'two', 'three'];

type Change = readonly [what: string, (typed: Typed, workspace: Workspace) => Typed];

/** Each is something that an operator does between two runs of a month-end line. */
const CHANGES: readonly Change[] = [
  ['nothing', (typed) => typed],
  ['another period', (typed) => ({ ...typed, period: '2026-12' })],
  ['another value of a parameter that no text uses', (typed) => ({ ...typed, unusedParameter: 'US' })],
  ['another variable', (typed) => ({ ...typed, variable: 'b' })],
  ['another command', (typed) => ({ ...typed, options: ['-v'] })],
  ['another split', (typed) => ({ ...typed, split: 'lines:1' })],
  ['a deadline', (typed) => ({ ...typed, finishBy: 'in 6h' })],
  ['another label', (typed) => ({ ...typed, label: 'y' })],
  [
    'another directory whose files have the same names, sizes and times',
    (typed, workspace) => {
      const [from, to] = [workspace.path(typed.directory), workspace.path('december')];
      cpSync(from, to, { recursive: true, preserveTimestamps: true });
      rewrite(`${to}/in.txt`, (text) => text.toUpperCase());
      return { ...typed, directory: 'december' };
    },
  ],
  [
    'a program with other bytes of the same size and time',
    (typed, workspace) => {
      rewrite(workspace.path(typed.directory, 'show.sh'), (text) => text.replace('cat;', 'tac;'));
      return typed;
    },
  ],
  [
    'an input that replaced the first one, with its size and time',
    (typed, workspace) => {
      const path = workspace.path(typed.directory, 'in.txt');
      const { atime, mtime } = statSync(path);
      writeFileSync(`${path}.new`, readFileSync(path, 'utf8').toUpperCase());
      utimesSync(`${path}.new`, atime, mtime);
      renameSync(`${path}.new`, path);
      return typed;
    },
  ],
  [
    'a longer input',
    (typed, workspace) => {
      writeFileSync(workspace.path(typed.directory, 'in.txt'), `${LINES.join('\n')}\nfour\n`);
      return typed;
    },
  ],
  [
    'a second input',
    (typed, workspace) => {
      writeFileSync(workspace.path(typed.directory, 'in-2.txt'), 'five\n');
      return typed;
    },
  ],
];

/** Rewrites a file in place: its inode, and by force its time, stay. */
function rewrite(path: string, change: (text: string) => string): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, change(readFileSync(path, 'utf8')));
  utimesSync(path, atime, mtime);
}

/** The file and the command. A one-liner has neither parameters nor variables of its own. */
function wordsOf(workspace: Workspace, typed: Typed, form: 'job file' | 'one-liner', key: string): readonly string[] {
  const { directory, period, finishBy, label } = typed;
  const common = ['--run-key', key, '--period', period, '--label', `note=${label}`, '--quiet'];
  const more = finishBy === null ? [] : ['--finish-by', finishBy];
  const { unusedParameter, variable, options, split } = typed;
  const [by = '', every = ''] = split.split(':');
  writeFileSync(
    workspace.path(directory, 'job.json'),
    JSON.stringify({
      name: 'close',
      files: ['show.sh'],
      params: { region: unusedParameter },
      input: { from: 'in*.txt', split: { by, every: Number(every) } },
      steps: [{ name: 'show', run: ['sh', ...options, 'show.sh', '{period}'], env: { VARIABLE: variable } }],
    }),
  );
  if (form === 'job file') return ['run', `${directory}/job.json`, ...common, ...more];
  return [
    ...['run', ...common, ...more, '--input', `${directory}/in*.txt`, '--split', split],
    ...['--', 'sh', ...options, `${directory}/show.sh`, '{period}'],
  ];
}

describe('a run key', () => {
  for (const form of ['job file', 'one-liner'] as const)
    it(`answers only with what a fresh run would give, whatever else has changed: ${form}`, async () => {
      const seed = printedSeed(`${ROUNDS} pairs of changes`);
      const ends = { answered: 0, refused: 0 };
      const chance = new Chance(seed);
      const pairs = [
        ...CHANGES.map((change) => [change]),
        ...Array.from({ length: ROUNDS }, () => [chance.pick(CHANGES), chance.pick(CHANGES)]),
      ];
      for (const changes of pairs) {
        const what = `seed ${seed}: ${changes.map(([name]) => name).join(', then ')}`;
        ends[await trySecondRun(form, changes, what)] += 1;
      }
      console.log(`      ${ends.answered} were answered, ${ends.refused} were refused`);
      expect([ends.answered > 0, ends.refused > 0], 'both ends were seen').to.deep.equal([true, true]);
    });
}).timeout(600_000);

const ROUNDS = 8;

/** The time of files from one archive, seconds. */
const UNPACKED = 1_790_000_000;

async function trySecondRun(
  form: 'job file' | 'one-liner',
  changes: readonly Change[],
  what: string,
): Promise<'answered' | 'refused'> {
  const workspace = Workspace.withLongLeases();
  try {
    mkdirSync(workspace.path('november'));
    workspace.write('november/show.sh', SHOW);
    workspace.write('november/in.txt', `${LINES.join('\n')}\n`);
    // Whole seconds can be set again.
    for (const name of ['show.sh', 'in.txt']) utimesSync(workspace.path('november', name), UNPACKED, UNPACKED);
    await workspace.runSuccessfully(...withOutput(wordsOf(workspace, FIRST, form, 'close'), 'first.txt'));
    const typed = changes.reduce((now, [, change]) => change(now, workspace), FIRST);
    const again = await workspace.run(withOutput(wordsOf(workspace, typed, form, 'close'), 'again.txt'));
    // A program that was rewritten must not leave its time to a cached archive of a later submission either.
    await workspace.runSuccessfully(...withOutput(wordsOf(workspace, typed, form, 'fresh'), 'fresh.txt'));
    const fresh = readFileSync(workspace.path('fresh.txt'), 'utf8');
    if (again.code === 0) {
      expect(readFileSync(workspace.path('again.txt'), 'utf8'), what).to.equal(fresh);
      return 'answered';
    }
    expect(again.code, `${what}: ${again.stderr}`).to.equal(7);
    expect(again.stderr, what)
      .to.contain('close')
      .and.to.match(/--again/);
    expect(existsSync(workspace.path('again.txt')), `${what}: a refused run wrote its output`).to.equal(false);
    return 'refused';
  } finally {
    rmSync(workspace.path('december'), { recursive: true, force: true });
    await workspace.remove();
  }
}

/** Before the command of a one-liner. */
function withOutput(words: readonly string[], path: string): readonly string[] {
  const [verb = '', ...rest] = words;
  return [verb, '-o', path, ...rest];
}
