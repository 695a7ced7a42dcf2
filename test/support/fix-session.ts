import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Ended, Workspace } from './workspace.ts';

/** Seven of 24 rows fail, for three causes: one needs another script, one a retry, and one is skipped. */
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

/** Fields that differ from run to run. */
const VOLATILE = new Set(
  [
    'pid host memory disk seconds cpuSeconds peakMemory waitSeconds measuredSeconds measured rate eta projected cost',
    'duration wait first last workers worker example evidence objects bytes previous attempt id busy seen since proof',
    'slots keeper startedAt endedAt usefulSeconds lostSeconds slotSeconds utilisation throughput timeline slowest sha256',
    // A fix may name this machine, or AWS.
    'checksum mend',
    // On a busy machine, a job may have its messages sent again, which is an entry.
    'entry number lines',
  ].flatMap((names) => names.split(' ')),
);
/** Entries of the journal that the first watcher writes: a worker, the manager or a command. */
const WATCHERS = ['close', 'open', 'retry-rest'];

/** One command: its words, exit code and answer, without the fields that differ from run to run. */
export interface Answer {
  readonly words: string;
  readonly code: number | null;
  readonly answer: unknown;
}

/**
 * Inspects and repairs a failed job: one cause is fixed by a script, one by a retry, one is skipped. Also pauses, cancels
 * and prunes. Returns the answer of each command, without times and random names.
 */
export async function fixSession(workspace: Workspace): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const run = async (...args: readonly string[]): Promise<Ended> => {
    const ended = await workspace.run(args);
    const words = withoutRandom(args.join(' '));
    answers.push({ words, code: ended.code, answer: answerOf(args.includes('--json'), ended.stdout) });
    // No command may fail because of a service.
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
  await run('status', job, '--json');
  await run('why', job, '--json');
  const causes = new Map<number, string>();
  for (const line of (await run('failures', job, '--json')).stdout.trim().split('\n')) {
    const { exitCode, cause } = JSON.parse(line) as { exitCode: number; cause: string };
    causes.set(exitCode, cause);
  }
  const cause = (exitCode: number): string => causes.get(exitCode) ?? 'none';
  await run('tasks', job, '--state', 'failed', '--json');
  await run('tasks', job, '--task', 'price/4', '--json');
  await run('logs', job, 'price/2');
  workspace.write('price.sh', script('never'));
  await run('retry', job, '--cause', cause(65), '--with', 'job.json', '--canary', '1', '--dry-run', '--json');
  await run('retry', job, '--cause', cause(65), '--with', 'job.json', '--canary', '1', '--json');
  await run('pause', job, '--yes', '--json');
  await run('why', job, '--json');
  await run('resume', job, '--json');
  await work();
  workspace.write('up', '');
  await run('retry', job, '--cause', cause(1), '--json');
  await run('skip', job, '--cause', cause(3), '--reason', 'empty, agreed', '--json');
  await work();
  await run('wait', job, '--json');
  await run('verify', job, '--deep', '--json');
  await run('verify', job, '-o', 'proof.json', '--quiet', '--json');
  await run('verify', '--check', 'proof.json', '--json');
  await run('fetch', job, '-o', 'totals', '--quiet', '--json');
  await run('fetch', job, '--step', 'price', '-o', 'out/', '--quiet', '--json');
  await run('report', job, '--json');
  await run('history', job, '--json');
  await run('ledger', 'rebuild', '--json');
  await run('status', job, '--json');
  await run('tasks', job, '--state', 'skipped', '--json');
  await run('queue', 'redrive', '--yes', '--json');
  const second = await workspace.submit('--label', 'team=other');
  await run('cancel', second, '--yes', '--json');
  await work();
  await run('jobs', '--label', 'team=finance', '--json');
  await run('queue', '--json');
  await run('prune', '--all', '--yes', '--json');
  await run('verify', job, '--json');
  await run('jobs', '--json');
  const files = readdirSync(workspace.path('out'), { recursive: true, encoding: 'utf8' }).sort();
  answers.push({
    words: 'files',
    code: 0,
    answer: files.map((name) => [withoutRandom(name), bytesOf(workspace, name)]),
  });
  answers.push({ words: 'total', code: 0, answer: readFileSync(workspace.path('totals'), 'utf8').trim() });
  return answers;
}

function bytesOf(workspace: Workspace, name: string): string | null {
  return /\d$/.test(name) ? readFileSync(workspace.path('out', name), 'utf8') : null;
}

function answerOf(json: boolean, stdout: string): unknown {
  const lines = withoutRandom(stdout).split('\n').filter(Boolean);
  if (!json) return lines;
  const values = lines.map((line): unknown => JSON.parse(line));
  return values.filter((value) => kindOf(value) !== 'resend').map(withoutVolatile);
}

/** The kind of a journal entry; '' for anything else. */
function kindOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'what' in value ? String(value.what) : '';
}

/** Replaces random names and instants by words. */
function withoutRandom(text: string): string {
  return text
    .replaceAll(/claims-\d{8}-\d{4}-[a-z0-9]{5}/g, 'JOB')
    .replaceAll(/\bw-[a-z0-9]{10}\b/g, 'WORKER')
    .replaceAll(/\b[a-z2-7]{16}\b/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/paused it [\d.]+m?s ago/g, 'paused it');
}

function withoutVolatile(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutVolatile);
  if (typeof value !== 'object' || value === null) return value;
  const who = WATCHERS.includes(kindOf(value)) ? { who: 'WATCHER' } : {};
  return Object.fromEntries(
    Object.entries({ ...value, ...who })
      .filter(([name]) => !VOLATILE.has(name))
      .map(([name, inner]) => [name, withoutVolatile(inner)]),
  );
}
