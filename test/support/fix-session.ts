import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Ended, Workspace } from './workspace.ts';

/** Twenty-four rows of which seven fail for three reasons: one wants another script, one another try, one is given up. */
const JOB = {
  name: 'claims',
  files: ['price.sh'],
  labels: { team: 'finance' },
  input: { split: { by: 'range', from: 1, to: 24 } },
  expect: ['price.rows == 22'],
  steps: [
    { name: 'price', attempts: 2, permanent: [3, 65], run: ['sh', 'price.sh'], timeout: '30s' },
    { name: 'total', gather: true, run: 'wc -l' },
  ],
};

const script = (bad: string): string => `read n
echo "row $n" >&2
case $n in
  ${bad}) echo "row $n: bad claim" >&2; exit 65;;
  5) [ -e "$HOME/up" ] || { echo "upstream is down" >&2; exit 1; };;
  11|24) echo "the file is empty" >&2; exit 3;;
esac
echo "rows 1" >> "$BATCHCTL_COUNTERS"
echo $n
`;

/** What differs from run to run, wherever the job runs. */
const VOLATILE = new Set(
  [
    'pid host memory disk seconds cpuSeconds peakMemory waitSeconds measuredSeconds measured rate eta projected cost',
    'duration wait first last workers worker example evidence objects bytes previous attempt id busy seen since proof',
    'slots keeper startedAt endedAt usefulSeconds lostSeconds slotSeconds utilisation throughput timeline slowest sha256',
    // What to type may name this machine, or AWS.
    'checksum mend',
    // A job that stands for long on a busy machine has its messages sent again, which is an entry.
    'entry number lines',
  ].flatMap((names) => names.split(' ')),
);
/** Entries of the journal that whoever looks on first writes: the worker, the manager or a command. */
const WATCHERS = ['close', 'open', 'retry-rest'];

/** One thing that was typed: its words, exit code, and what it answered, as far as two runs can be alike. */
export interface Answer {
  readonly words: string;
  readonly code: number | null;
  readonly answer: unknown;
}

/**
 * The day after, wherever the job runs: what failed and why, one cause mended by a script, one by another try, one
 * skipped; paused, cancelled and pruned besides. Answers what each command said, without times and random names.
 */
export async function fixSession(workspace: Workspace): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const say = async (...args: readonly string[]): Promise<Ended> => {
    const ended = await workspace.run(args);
    const words = plain(args.join(' '));
    answers.push({ words, code: ended.code, answer: answerOf(args.includes('--json'), ended.stdout) });
    // What fails for a reason of the service's would be the same nowhere.
    expect([0, 11], `${args.join(' ')}: ${ended.stderr}`).to.include(ended.code);
    return ended;
  };
  const work = async (): Promise<void> => {
    const { code, stderr } = await workspace.work({}, '--quiet');
    expect(code, stderr).to.equal(0);
  };
  workspace.write('job.json', JOB);
  workspace.write('price.sh', script('3|7|15|21'));
  const job = await workspace.submit();
  await work();
  await say('status', job, '--json');
  await say('why', job, '--json');
  const causes = new Map<number, string>();
  for (const line of (await say('failures', job, '--json')).stdout.trim().split('\n')) {
    const { exitCode, cause } = JSON.parse(line) as { exitCode: number; cause: string };
    causes.set(exitCode, cause);
  }
  const cause = (exitCode: number): string => causes.get(exitCode) ?? 'none';
  await say('tasks', job, '--state', 'failed', '--json');
  await say('tasks', job, '--task', 'price/4', '--json');
  await say('logs', job, 'price/2');
  workspace.write('price.sh', script('never'));
  await say('retry', job, '--cause', cause(65), '--with', 'job.json', '--canary', '1', '--dry-run', '--json');
  await say('retry', job, '--cause', cause(65), '--with', 'job.json', '--canary', '1', '--json');
  await say('pause', job, '--yes', '--json');
  await say('why', job, '--json');
  await say('resume', job, '--json');
  await work();
  workspace.write('up', '');
  await say('retry', job, '--cause', cause(1), '--json');
  await say('skip', job, '--cause', cause(3), '--reason', 'empty, agreed', '--json');
  await work();
  await say('wait', job, '--json');
  await say('verify', job, '--deep', '--json');
  await say('verify', job, '-o', 'proof.json', '--quiet', '--json');
  await say('verify', '--check', 'proof.json', '--json');
  await say('fetch', job, '-o', 'totals', '--quiet', '--json');
  await say('fetch', job, '--step', 'price', '-o', 'out/', '--quiet', '--json');
  await say('report', job, '--json');
  await say('history', job, '--json');
  await say('ledger', 'rebuild', '--json');
  await say('status', job, '--json');
  await say('tasks', job, '--state', 'skipped', '--json');
  await say('queue', 'redrive', '--json');
  const second = await workspace.submit('--label', 'team=other');
  await say('cancel', second, '--yes', '--json');
  await work();
  await say('jobs', '--label', 'team=finance', '--json');
  await say('queue', '--json');
  await say('prune', '--all', '--yes', '--json');
  await say('verify', job, '--json');
  await say('jobs', '--json');
  const files = readdirSync(workspace.path('out'), { recursive: true, encoding: 'utf8' }).sort();
  answers.push({ words: 'files', code: 0, answer: files.map((name) => [plain(name), bytesOf(workspace, name)]) });
  answers.push({ words: 'total', code: 0, answer: readFileSync(workspace.path('totals'), 'utf8').trim() });
  return answers;
}

function bytesOf(workspace: Workspace, name: string): string | null {
  return /\d$/.test(name) ? readFileSync(workspace.path('out', name), 'utf8') : null;
}

function answerOf(json: boolean, stdout: string): unknown {
  const lines = plain(stdout).split('\n').filter(Boolean);
  if (!json) return lines;
  const values = lines.map((line): unknown => JSON.parse(line));
  return values.filter((value) => whatOf(value) !== 'resend').map(steady);
}

/** Of an entry of the journal; '' of anything else. */
function whatOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'what' in value ? String(value.what) : '';
}

/** Random names and instants by words that stand for them. */
function plain(text: string): string {
  return text
    .replaceAll(/claims-\d{8}-\d{4}-[a-z0-9]{5}/g, 'JOB')
    .replaceAll(/\bw-[a-z0-9]{10}\b/g, 'WORKER')
    .replaceAll(/\b[a-z2-7]{16}\b/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/paused it [\d.]+m?s ago/g, 'paused it');
}

function steady(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(steady);
  if (typeof value !== 'object' || value === null) return value;
  const who = WATCHERS.includes(whatOf(value)) ? { who: 'WATCHER' } : {};
  return Object.fromEntries(
    Object.entries({ ...value, ...who })
      .filter(([name]) => !VOLATILE.has(name))
      .map(([name, inner]) => [name, steady(inner)]),
  );
}
