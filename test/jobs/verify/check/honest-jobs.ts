import { appendFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { requireView } from '../../../../src/jobs/journal.ts';
import { look } from '../../../../src/jobs/watch/look.ts';
import { jsonOf } from '../../../support/expect-exit.ts';
import type { Workspace } from '../../../support/workspace.ts';
import { publishSmall } from '../../published-job.ts';
import { runHere } from '../../run-here.ts';

/** Finishes a job in a workspace that has no other. Returns its id. */
export type FinishJob = (workspace: Workspace) => Promise<string>;

const CSV = 'id,n\n1,one\n2,two\n3,three\n4,four\n5,five\n';
const ROWS = { from: 'a.csv', split: { by: 'csv', every: 1, header: true } };
const range = (to: number) => ({ split: { by: 'range', from: 1, to } });
/** Fails for the rows or numbers that the pattern names. */
const failsFor = (pattern: string, code = 3) =>
  `t=$(cat); case "$t" in ${pattern}) echo bad >&2; exit ${code};; esac; echo "$t"`;
const CAT = ['cat'];
const ALL = { name: 'all', gather: true, run: CAT };

/**
 * Jobs that real commands and workers finished, by what is peculiar to them. Their proofs hold, so a check of their
 * evidence has nothing to refuse.
 */
export const HONEST: Readonly<Record<string, FinishJob>> = {
  // Inputs and parts.
  'several inputs, of which one is only a header and one is empty': async (workspace) => {
    workspace.write('b.csv', 'id,n\n');
    workspace.write('c.csv', '');
    workspace.write('d.csv', 'id,n\n6,six\n7,seven\n');
    return finish(workspace, { input: { ...ROWS, from: '*.csv' }, steps: [{ name: 'up', run: CAT }, ALL] });
  },
  'parts by size, with a header': (workspace) =>
    finish(workspace, {
      input: { from: 'a.csv', split: { by: 'csv', size: 14, header: true } },
      steps: [{ name: 'up', run: CAT }],
    }),
  'lines without a header, uploaded before': async (workspace) => {
    await workspace.runSuccessfully('upload', 'a.csv', '--quiet');
    const input = { from: 'store:a.csv', split: { by: 'lines', every: 2 } };
    return finish(workspace, { input, steps: [{ name: 'up', run: CAT }] });
  },
  'pieces of a packed input, with a header': (workspace) => {
    appendFileSync(workspace.path('a.csv.gz'), gzipSync(CSV));
    return finish(workspace, {
      input: { from: 'a.csv.gz', split: { by: 'csv', every: 2, header: true } },
      steps: [{ name: 'up', run: CAT }],
    });
  },
  'pieces of a pipe': async (workspace) => {
    const split = { by: 'lines', every: 2 };
    workspace.write('job.json', { name: 'honest', input: { split }, steps: [{ name: 'up', run: CAT }] });
    const words = ['submit', 'job.json', '--input', '-', '--json'];
    const submitted = await runHere(workspace.dir, words, { stdin: CSV });
    const { job } = JSON.parse(submitted.stdout);
    await work(workspace);
    return job;
  },
  'whole files, one of which is empty and one packed': (workspace) => {
    workspace.write('b.csv', '');
    appendFileSync(workspace.path('c.csv'), gzipSync(CSV));
    return finish(workspace, {
      input: { from: '*.csv', split: { by: 'file' } },
      steps: [{ name: 'up', run: CAT }],
    });
  },
  'a list with empty lines': (workspace) => {
    workspace.write('list.txt', 'a\n\nb\nc');
    const input = { from: 'list.txt', split: { by: 'list' } };
    return finish(workspace, { input, steps: [{ name: 'up', run: ['echo', '{item}'] }] });
  },
  'records of a fixed length, of which the last part has fewer': (workspace) => {
    workspace.write('a.bin', 'abcd'.repeat(5));
    const input = { from: 'a.bin', split: { by: 'records', length: 4, every: 2 } };
    return finish(workspace, { input, steps: [{ name: 'up', run: CAT }] });
  },
  'a grid': (workspace) =>
    finish(workspace, {
      input: { split: { by: 'grid', axes: { a: ['x', 'y'], b: ['1', '2'] } } },
      steps: [{ name: 'up', run: ['echo', '{a}{b}'] }],
    }),
  'no part at all': (workspace) => {
    workspace.write('a.csv', 'id,n\n');
    return finish(workspace, { input: ROWS, steps: [{ name: 'up', run: CAT }, ALL] }, '--allow-empty');
  },
  'the outputs of another job': async (workspace) => {
    const steps = [{ name: 'up', output: 'files', run: 'cat > "$BATCHCTL_OUTPUT_DIR/n"' }];
    await finish(workspace, { input: range(2), steps });
    return finish(workspace, {
      name: 'other',
      input: { from: 'job:name:honest/up', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'up', run: CAT }],
    });
  },
  'a rehearsal of some parts of some inputs': async (workspace) => {
    workspace.write('b.csv', CSV);
    workspace.write('job.json', {
      name: 'honest',
      input: { ...ROWS, from: '*.csv' },
      steps: [{ name: 'up', run: CAT }, ALL],
    });
    return jsonOf(await workspace.run(['rehearse', 'job.json', '--sample', '3', '--keep', '--json'])).job;
  },
  'a run key, a period, labels and a deadline': async (workspace) => {
    const job = { name: 'a-b-1', labels: { team: 'x' }, input: range(2), steps: [{ name: 'up', run: CAT }] };
    await finish(workspace, job, '--run-key', 'close', '--period', '2026-11');
    return finish(workspace, job, '--run-key', 'close', '--period', '2026-11', '--again', '--finish-by', 'in 6h');
  },

  // Outputs.
  'outputs without bytes, and counters of every form': (workspace) =>
    finish(workspace, {
      input: range(3),
      steps: [
        {
          name: 'none',
          run: 'cat >/dev/null; printf "a.b_c-D9 -1.50\\nminus -1.50\\nzero 0\\n" > "$BATCHCTL_COUNTERS"',
        },
        { name: 'still', run: CAT },
      ],
      expect: ['none.minus == 0 - 4.5'],
    }),
  'several files, some of them empty, some outputs without any': (workspace) =>
    finish(workspace, {
      input: range(3),
      steps: [
        {
          name: 'cut',
          output: 'files',
          run: 'n=$(cat); cd "$BATCHCTL_OUTPUT_DIR"; [ $n = 1 ] || : > a; [ $n != 3 ] || echo 3 > b',
        },
      ],
    }),
  'large outputs': (workspace) =>
    finish(workspace, {
      input: range(2),
      steps: [{ name: 'up', run: 'head -c 9000000 /dev/zero' }, { name: 'next', run: CAT }, ALL],
    }),
  'files that became tasks, of tasks with several, one and none': (workspace) =>
    finish(workspace, {
      input: range(3),
      steps: [
        {
          name: 'cut',
          output: 'files',
          explode: true,
          run: 'n=$(cat); cd "$BATCHCTL_OUTPUT_DIR"; [ $n = 2 ] || echo $n > a; [ $n != 3 ] || for i in 1 2; do : > b$i; done',
        },
        { name: 'up', run: CAT },
        ALL,
        { name: 'end', run: CAT },
      ],
    }),
  'files that became tasks twice': (workspace) =>
    finish(workspace, {
      input: range(2),
      steps: [
        { name: 'cut', output: 'files', explode: true, run: 'split -l 1 - "$BATCHCTL_OUTPUT_DIR/a"' },
        {
          name: 'again',
          output: 'files',
          explode: true,
          run: 'cat > "$BATCHCTL_OUTPUT_DIR/x"; : > "$BATCHCTL_OUTPUT_DIR/y"',
        },
        { name: 'up', run: CAT },
      ],
    }),
  'no file that became a task': (workspace) =>
    finish(workspace, {
      input: range(2),
      steps: [{ name: 'cut', output: 'files', explode: true, run: ': ' }, { name: 'up', run: CAT }, ALL],
    }),
  'two gathers, one after the other': (workspace) =>
    finish(workspace, {
      input: range(3),
      steps: [{ name: 'up', run: CAT }, ALL, { name: 'mid', run: CAT }, { name: 'end', gather: true, run: CAT }],
    }),

  // Tasks that fail.
  'a task that succeeded at its last attempt': (workspace) =>
    finish(workspace, {
      input: range(2),
      steps: [
        {
          name: 'up',
          attempts: 3,
          run: `echo x >> ${workspace.path('tries')}; [ $(wc -l < ${workspace.path('tries')}) -ge 3 ]; cat`,
        },
      ],
    }),
  'failures of the first and the next step that a gather tolerated': (workspace) =>
    finish(workspace, {
      tolerate: 2,
      input: range(4),
      steps: [
        { name: 'up', attempts: 1, run: failsFor('1') },
        { name: 'next', attempts: 2, run: failsFor('3', 4) },
        ALL,
      ],
    }),
  'failures for other reasons: a time limit, a signal, no output': (workspace) =>
    finish(workspace, {
      tolerate: 3,
      input: range(4),
      steps: [
        {
          name: 'up',
          attempts: 1,
          timeout: '1s',
          output: 'file',
          run: 'case $(cat) in 1) sleep 30;; 2) kill -9 $$;; 3) exit 0;; esac; echo x > "$BATCHCTL_OUTPUT"',
        },
        ALL,
      ],
    }),
  'a failure before its files could become tasks': (workspace) =>
    finish(workspace, {
      tolerate: 1,
      input: range(3),
      steps: [
        {
          name: 'cut',
          attempts: 1,
          output: 'files',
          explode: true,
          run: `${failsFor('2')} > "$BATCHCTL_OUTPUT_DIR/a"`,
        },
        { name: 'up', attempts: 1, run: CAT },
        ALL,
      ],
    }),
  'a tolerance that was raised': async (workspace) => {
    const steps = [{ name: 'up', attempts: 1, run: failsFor('2') }, ALL];
    const job = await submit(workspace, { input: range(3), steps });
    await workspace.runSuccessfully('adjust', job, '--tolerate', '1');
    await work(workspace);
    return job;
  },

  // Decisions of people.
  'a skip in each step, one of them undone': async (workspace) => {
    const steps = [
      { name: 'up', attempts: 1, run: failsFor('1|4') },
      { name: 'next', attempts: 1, run: failsFor('2') },
      ALL,
    ];
    const job = await finish(workspace, { input: range(5), steps });
    const tasks = ['up/0', 'up/3'].flatMap((task) => ['--task', task]);
    await workspace.runSuccessfully('skip', job, ...tasks, '--reason', 'agreed');
    await workspace.runSuccessfully('skip', job, '--task', 'up/3', '--undo');
    await workspace.runSuccessfully('skip', job, '--task', 'next/1', '--reason', 'agreed');
    workspace.write('job.json', {
      name: 'honest',
      input: range(5),
      steps: steps.map((step) => ({ ...step, run: CAT })),
    });
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await work(workspace);
    return job;
  },
  'decisions about more files than there are parts, and about a gather': async (workspace) => {
    const at = (pattern: string) => ({
      name: 'honest',
      input: range(2),
      steps: [
        { name: 'cut', output: 'files', explode: true, run: 'cd "$BATCHCTL_OUTPUT_DIR"; tee a b > c' },
        { name: 'up', attempts: 1, run: failsFor(pattern) },
        { name: 'all', gather: true, attempts: 1, run: pattern === 'none' ? CAT : ['false'] },
      ],
    });
    const job = await finish(workspace, at('2'));
    const tasks = ['up/3', 'up/4'].flatMap((task) => ['--task', task]);
    await workspace.runSuccessfully('skip', job, ...tasks, '--reason', 'agreed');
    await workspace.runSuccessfully('retry', job, '--task', 'up/5');
    await work(workspace);
    await workspace.runSuccessfully('skip', job, '--task', 'up/5', '--reason', 'agreed');
    await work(workspace);
    workspace.write('job.json', at('none'));
    await workspace.runSuccessfully('retry', job, '--task', 'all/0', '--with', 'job.json');
    await work(workspace);
    return job;
  },
  'rounds with another program, more attempts and a canary': async (workspace) => {
    const at = (pattern: string, attempts: number) => ({
      name: 'honest',
      files: ['own.sh'],
      input: range(5),
      steps: [
        { name: 'up', attempts, run: ['sh', 'own.sh'] },
        { name: 'next', attempts: 1, run: failsFor(pattern) },
        ALL,
      ],
    });
    workspace.write('own.sh', `${failsFor('1|2|3')}\n`);
    const job = await finish(workspace, at('4', 1));
    workspace.write(
      'own.sh',
      `echo x >> ${workspace.path('tries')}; [ $(wc -l < ${workspace.path('tries')}) -ge 3 ] || exit 1; cat\n`,
    );
    workspace.write('job.json', at('4', 5));
    const tasks = [0, 1, 2].flatMap((n) => ['--task', `up/${n}`]);
    await workspace.runSuccessfully('retry', job, ...tasks, '--with', 'job.json', '--canary', '1');
    await work(workspace);
    workspace.write('job.json', at('none', 5));
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await work(workspace);
    return job;
  },
  'tasks that were killed, and a job that was paused, adjusted and resumed': async (workspace) => {
    const steps = [{ name: 'up', attempts: 2, run: CAT }, ALL];
    const job = await submit(workspace, { tolerate: 2, input: range(4), steps });
    for (const task of ['up/0', 'up/3']) await workspace.runSuccessfully('kill', job, task, '--fail');
    await workspace.runSuccessfully('kill', job, 'up/1', '--requeue');
    await workspace.runSuccessfully('pause', job);
    await workspace.runSuccessfully('adjust', job, '--finish-by', 'in 6h', '--max-running', '1');
    await workspace.runSuccessfully('resume', job);
    await work(workspace);
    return job;
  },
  'a stop, and a round for what it gave up': async (workspace) => {
    const at = (pattern: string) => ({
      onFailure: 'stop',
      input: range(4),
      steps: [{ name: 'up', attempts: 1, run: failsFor(pattern) }, { name: 'next', run: CAT }, ALL],
    });
    const job = await finish(workspace, at('1'));
    workspace.write('job.json', { name: 'honest', ...at('none') });
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await work(workspace);
    return job;
  },
  'a control total that was accepted, and one that was corrected': async (workspace) => {
    const at = (equation: string) => ({
      input: ROWS,
      steps: [{ name: 'up', run: 'cat; echo seen 2 > "$BATCHCTL_COUNTERS"' }],
      expect: [equation, 'up.seen == input.records'],
    });
    const job = await finish(workspace, at('up.seen == 11'));
    workspace.write('job.json', { name: 'honest', ...at('up.seen == 10') });
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await workspace.runSuccessfully('adjust', job, '--accept', '2', '--reason', 'known');
    return job;
  },
  'a delivery, and another one after a round': async (workspace) => {
    const at = (pattern: string) => ({
      tolerate: 1,
      input: range(3),
      steps: [{ name: 'up', attempts: 1, run: failsFor(pattern) }],
      deliver: { to: 'results' },
    });
    const job = await finish(workspace, at('2'));
    await workspace.runSuccessfully('run', job);
    workspace.write('job.json', { name: 'honest', ...at('none') });
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    await workspace.runSuccessfully('run', job);
    return job;
  },
  'an output that was lost and made again': async (workspace) => {
    const steps = [{ name: 'up', run: CAT }, { name: 'next', run: CAT }, ALL];
    const job = await finish(workspace, { input: range(3), steps });
    await workspace.runSuccessfully('verify', job);
    const { store } = await workspace.platform();
    await store.delete([`jobs/${job}/steps/next/out/000000001`]);
    await workspace.run(['verify', job, '--repair']);
    await work(workspace);
    return job;
  },
  'outputs that came too late, of a skipped task and one before': async (workspace) => {
    const steps = [{ name: 'up', run: CAT }, { name: 'next', attempts: 1, run: failsFor('2') }, ALL];
    const job = await finish(workspace, { input: range(3), steps });
    await workspace.runSuccessfully('skip', job, '--task', 'next/1', '--reason', 'agreed');
    await work(workspace);
    const platform = await workspace.platform();
    const view = await requireView(platform.store, job);
    await publishSmall({ platform, view }, 'next', 1, '2\n');
    await look(platform, view);
    return job;
  },
  'a proof before the last one': async (workspace) => {
    const job = await finish(workspace, { input: range(2), steps: [{ name: 'up', run: CAT }] });
    await workspace.runSuccessfully('verify', job);
    return job;
  },
};

async function submit(workspace: Workspace, job: object, ...flags: readonly string[]): Promise<string> {
  workspace.write('job.json', { name: 'honest', ...job });
  return workspace.submit(...flags);
}

async function finish(workspace: Workspace, job: object, ...flags: readonly string[]): Promise<string> {
  const id = await submit(workspace, job, ...flags);
  await work(workspace);
  return id;
}

async function work(workspace: Workspace): Promise<void> {
  const { code, stderr } = await workspace.work({}, '--quiet');
  if (code !== 0) throw new Error(`the worker exited with ${code}: ${stderr}`);
}

/** The input of most jobs. */
export const writeInput = (workspace: Workspace): void => workspace.write('a.csv', CSV);

/** Jobs that failed or were cancelled, by what is peculiar to them. */
export const FAILED: Readonly<Record<string, FinishJob>> = {
  'more failures than may be': (workspace) =>
    finish(workspace, {
      tolerate: 1,
      input: range(4),
      steps: [{ name: 'up', attempts: 1, run: failsFor('1|3') }, { name: 'next', run: CAT }, ALL],
    }),
  'a stop after the first failure': (workspace) =>
    finish(workspace, {
      onFailure: 'stop',
      input: range(4),
      steps: [
        { name: 'up', attempts: 1, run: failsFor('1') },
        { name: 'next', run: CAT },
      ],
    }),
  'a control total that was not met': (workspace) =>
    finish(workspace, { input: ROWS, steps: [{ name: 'up', run: CAT }], expect: ['input.records == 4'] }),
  'a cancel before any task': async (workspace) => {
    const job = await submit(workspace, { input: range(2), steps: [{ name: 'up', run: CAT }, ALL] });
    await workspace.runSuccessfully('cancel', job, '--yes');
    return job;
  },
  'a canary that failed again': async (workspace) => {
    const at = (code: number) => ({
      input: range(3),
      steps: [{ name: 'up', attempts: 1, run: failsFor('1|2', code) }],
    });
    const job = await finish(workspace, at(3));
    workspace.write('job.json', { name: 'honest', ...at(4) });
    await workspace.runSuccessfully('retry', job, '--with', 'job.json', '--canary', '1');
    await work(workspace);
    return job;
  },
};
