// Protects: every command prints and exits the same through a manager as directly.
import { expect } from 'chai';
import { userAtHost } from '../../src/lib/this-machine.ts';
import { VERBS } from '../../src/verbs/index.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { ManagedWorkspace } from '../support/manager/managed-workspace.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';

/** Rows, one of which fails and is fixed later. What it writes to stderr is its log. */
const JOB = {
  name: 'twin',
  files: ['price.sh'],
  params: { bad: '3' },
  input: { from: 'store:rows.txt', split: { by: 'lines', every: 1 } },
  steps: [
    { name: 'price', attempts: 1, run: ['sh', 'price.sh'] },
    { name: 'total', gather: true, run: 'wc -l' },
  ],
};
const SCRIPT = 'read n; echo "row $n" >&2; [ "$n" != "$BATCHCTL_PARAM_BAD" ] || exit 65; echo "$n"\n';

/** `JOB` is the job of each side: a change to one is made to its twin as well. */
type Line = readonly string[];

/** Commands before anything has run. */
const BEFORE: readonly Line[] = [
  ['plan', 'job.json'],
  ['plan', 'job.json', '--json', '--set', 'bad=2', '--expect-inputs', '1'],
  ['plan', 'job.json', '--expect-inputs', '2'],
  ['plan', 'job.json', '--set', 'none=2'],
  ['plan', 'nothing.json', '--json'],
  ['submit', 'job.json', '--dry-run', '--json'],
  ['submit', 'job.json', '--existing'],
  ['submit', 'job.json', '--max-cost', 'much'],
  ['submit', 'job.json', '--finish-by', '2020-01-01T00:00Z', '--json'],
  ['submit', 'job.json', '--unknown'],
  ['status', 'JOB'],
  ['status', 'JOB', '--format', 'prometheus'],
  ['status', 'JOB', '--tz', 'Asia/Tokyo', '--json'],
  ['wait', 'JOB', '--timeout', '1s', '--json'],
  ['watch', 'none'],
  ['pause', 'JOB', '--json'],
  ['run', 'JOB', '--quiet'],
  ['pause', 'JOB'],
  ['pause', 'JOB', '--now', '--dry-run'],
  ['adjust', 'JOB', '--tolerate', '1'],
  ['adjust', 'JOB', '--max-running', 'x'],
  ['adjust', 'JOB', '--max-running', 'none', '--tolerate', '2', '--dry-run', '--json'],
  ['adjust', 'JOB', '--finish-by', '2020-01-01T00:00Z', '--tz', 'Asia/Tokyo'],
  ['adjust', 'JOB'],
  ['skip', 'JOB', '--task', 'price/2'],
  ['resume', 'JOB', '--dry-run'],
  ['resume', 'JOB'],
  ['verify', 'JOB', '--json'],
  ['verify', 'JOB', '-o', 'early.ndjson'],
  ['tasks', 'JOB', '--limit', '2'],
  ['kill', 'JOB', 'price/0'],
  ['kill', 'JOB', 'price/9', '--json'],
  ['kill', 'JOB', 'price/0', '--fail', '--requeue'],
  ['kill', 'JOB', 'price/0', '--fail', '--dry-run', '--json'],
  ['kill', 'price/0'],
  ['kill', 'JOB'],
  ['logs', 'JOB', 'price/0', '--follow', '--failed'],
  ['ls'],
  ['ls', '--json', 'rows'],
  ['rm', 'none.txt', '--json'],
  ['rm', 'rows.txt', '--yes'],
  ['ls', 'none/'],
  ['ls', '--checksums', '--tz', 'Asia/Tokyo'],
  ['rm', 'spare.txt', '--dry-run', '--json'],
  ['rm', 'spare.txt'],
  ['queue', 'purge', '--group', 'default'],
  ['queue', 'purge', '--dry-run'],
  ['queue', 'purge', '--confirm', 'default', '--job', 'nope', '--json'],
  ['queue'],
  ['queue', '--json'],
  ['queue', 'redrive', '--json'],
  ['workers'],
  ['workers', 'logs', 'w-none'],
  ['workers', 'drain', 'w-none'],
  ['workers', 'stop', 'w-none', '--json'],
  ['scale', '--json'],
  ['scale'],
  ['scale', '2', '--dry-run'],
  ['scale', '--max', '3', '--dry-run', '--json'],
  ['scale', '--auto', '--manual'],
  ['scale', '--group', 'UPPER'],
  ['schedule', 'ls'],
  [
    'schedule',
    'add',
    'monthly-JOB',
    'job.json',
    '--calendar',
    'last-business-day',
    '--holidays',
    'days.txt',
    '--dry-run',
  ],
  ['schedule', 'add', 'monthly', 'job.json', '--calendar', 'last-business-day', '--holidays', 'none.txt'],
  ['schedule', 'add', 'monthly', 'job.json', '--cron', 'x'],
  ['schedule', 'show', 'none', '--json'],
  ['schedule', 'next', '--json'],
  ['schedule', 'pause', 'none'],
  ['schedule', 'resume', 'none'],
  ['schedule', 'rm', 'none', '--yes'],
  ['schedule', 'run', 'none', '--period', '2026-11'],
  ['schedule', 'add', 'of-SIDE', 'job.json', '--calendar', 'last-business-day', '--holidays', 'days.txt', '--json'],
  ['schedule', 'ls', '--json'],
  ['schedule', 'ls'],
  ['schedule', 'show', 'of-SIDE', '--json'],
  ['schedule', 'next', 'of-SIDE'],
  ['schedule', 'pause', 'of-SIDE'],
  ['schedule', 'pause', 'of-SIDE', '--json'],
  ['schedule', 'show', 'of-SIDE'],
  ['schedule', 'next', 'of-SIDE'],
  ['schedule', 'resume', 'of-SIDE', '--dry-run'],
  ['schedule', 'resume', 'of-SIDE', '--json'],
  ['schedule', 'run', 'of-SIDE'],
  ['schedule', 'run', 'of-SIDE', '--period', '2026-11', '--dry-run', '--json'],
  ['schedule', 'run', 'of-SIDE', '--period', '2026-12', '--json'],
  ['schedule', 'run', 'of-SIDE', '--period', '2026-12'],
  ['schedule', 'rm', 'of-SIDE'],
  ['schedule', 'rm', 'of-SIDE', '--dry-run', '--json'],
  ['schedule', 'rm', 'of-SIDE', '--yes'],
  ['cancel', 'JOB', '--dry-run'],
  ['cancel', 'JOB'],
];

/** Commands after the work is done, with one failed row. */
const AFTER: readonly Line[] = [
  ['status', 'JOB'],
  ['watch', 'JOB'],
  ['wait', 'JOB', '--json'],
  ['run', 'JOB'],
  ['run', 'JOB', '--json', '--quiet'],
  ['tasks', 'JOB', '--json'],
  ['tasks', 'JOB', '--task', 'price/2'],
  ['logs', 'JOB'],
  ['logs', 'JOB', 'price/2', '--json'],
  ['logs', 'JOB', 'price/1', '--follow'],
  ['failures', 'JOB'],
  ['failures', 'JOB', '--json'],
  ['failures', 'JOB', '--cause', 'none'],
  ['history', 'JOB'],
  ['history', 'JOB', '--json'],
  ['report', 'JOB', '--format', 'csv'],
  ['report', 'JOB', '--regress', '5%'],
  ['report', 'JOB', '--compare', 'JOB', '--json'],
  ['report', 'JOB', '--compare', 'none', '--format', 'csv'],
  ['report', 'JOB', '--format', 'html', '-o', 'none/r.html'],
  ['why', 'JOB', '--json'],
  ['verify', 'JOB'],
  ['verify', 'JOB', '-o', 'none/proof.ndjson'],
  ['fetch', 'JOB', '--step', 'price', '-o', 'SIDE/', '--quiet', '--json'],
  ['fetch', 'JOB', '--step', 'price'],
  ['reproduce', 'JOB', 'price/2', '-o', 'SIDE-task'],
  ['retry', 'JOB', '--task', 'price/2', '--with', 'fixed.json', '--dry-run'],
  ['retry', 'JOB', '--task', 'price/2', '--with', 'fixed.json', '--json'],
  ['skip', 'JOB', '--task', 'price/2', '--reason', 'agreed', '--dry-run', '--json'],
  ['cancel', 'JOB', '--yes'],
  ['resume', 'JOB', '--with', 'fixed.json'],
  ['prune', '--older-than', '300d', '--dry-run'],
  ['prune'],
  ['prune', '--all'],
  ['prune', '--all', '--older-than', '1d', '--json'],
  ['ledger', 'rebuild', '--json'],
  ['ledger', 'rebuild', '--since', '1d', '--dry-run'],
  ['jobs', '--state', 'running', '--json'],
  ['upload', 'job.json', '--to', 'up-SIDE/', '--quiet', '--json'],
  ['workers', '--all', '--json'],
  ['tick', '--dry-run'],
  ['tick', '--json'],
  ['verify', '--check', 'job.json'],
];

describe('through a manager', () => {
  const workspace = forSuite(() => ManagedWorkspace.make());
  const jobs: { direct: string; through: string } = { direct: '', through: '' };

  before(async () => {
    workspace.write('rows.txt', '1\n2\n3\n');
    workspace.write('price.sh', SCRIPT);
    workspace.write('job.json', JOB);
    workspace.write('fixed.json', { ...JOB, params: { bad: 'none' } });
    workspace.write('days.txt', '2026-12-25\n2099-12-25\n');
    workspace.write('spare.txt', '4\n');
    await workspace.direct('upload', 'rows.txt', 'spare.txt');
    for (const side of ['direct', 'through'] as const) {
      const words = ['submit', 'job.json', '--run-key', side, '--json'];
      jobs[side] = jsonOf(await (side === 'direct' ? workspace.direct(...words) : workspace.run(words))).job;
    }
    await until(
      'the status names the manager as the keeper',
      async () => jsonOf(await workspace.direct('status', jobs.direct, '--json')).keeper !== null,
    );
  });

  const runLine = (line: Line, side: 'direct' | 'through'): Promise<Ended> => {
    const words = line.map((word) => word.replace('JOB', jobs[side]).replace('SIDE', side));
    return side === 'direct' ? workspace.direct(...words) : workspace.run(words);
  };
  const declareSame = (lines: readonly Line[]): void => {
    for (const line of lines) {
      it(line.join(' '), async () => {
        const [direct, through] = [
          plain(await runLine(line, 'direct'), line),
          plain(await runLine(line, 'through'), line),
        ];
        expect(through).to.deep.equal(direct);
      });
    }
  };

  describe('commands print and exit as they do directly, before anything has run:', () => declareSame(BEFORE));

  describe('commands print and exit as they do directly, after everything has run:', () => {
    before(async () => {
      expectExit(await workspace.work({}, '--quiet'));
    });
    declareSame(AFTER);
  });

  it('covers every verb that a manager offers', () => {
    const offered = Object.keys(VERBS);
    const names = [...BEFORE, ...AFTER].map((words) =>
      offered.filter((name) => `${words.join(' ')} `.startsWith(`${name} `)).at(-1),
    );
    // `doctor` differs between two machines; it has its own test.
    expect([...new Set([...names, 'doctor'])]).to.include.members(offered);
  });
});

/** Removes what differs between jobs and moments, and the line that says where the work is done. */
function plain({ code, stdout, stderr }: Ended, [verb = '']: Line): { code: number | null; out: string; err: string } {
  const text = (said: string): string => {
    const steady = said
      .replaceAll(/^-> .*\n/gm, '')
      .replaceAll('token:caller', userAtHost())
      .replaceAll(/\btwin-\d{8}-\d{4}-[a-z0-9]{5}/g, 'JOB')
      // Through a manager, run follows the job and works on nothing.
      .replaceAll(/^continue it: batchctl run .*\n/gm, '')
      .replaceAll(/^work on it: batchctl (run JOB|worker --group default --until-empty),/gm, 'work on it: HERE,')
      .replaceAll(/\b(direct|through)\b/g, 'SIDE')
      .replaceAll(/\bw-[a-z0-9]{10}\b/g, 'WORKER')
      .replaceAll(/\b[a-z2-7]{16}\b/g, 'ATTEMPT')
      // By the worker or the manager, whichever comes first.
      .replaceAll(/"who":"[^"]+","what":"(open|close)"/g, '"who":"FIRST","what":"$1"')
      // A job that waits for long on a busy machine has its messages sent again, which is an entry.
      .replaceAll(/^(?:.* re-sent missing tasks: |.*"what":"resend").*\n/gm, '')
      .replaceAll(/"number":\d+/g, '"number":0')
      .replaceAll(/[.][0-9a-f]{8}[.]tmp/g, '.TMP')
      .replaceAll(/\b[0-9a-f]{64}\b/g, 'SHA')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d\S* \S+/g, 'TIME')
      .replaceAll(/\b(?:[\d.]+(?:ms|s|m|h|KB\/s|B\/s|\/s))+\b/g, 'N')
      .replaceAll(
        /"(\w*(?:econds|emory|isk|pid|rate|eta|size|bytes|oldest|age|at|duration|wait|mean|p50|p95|max|measured))":[-\d.e]+/gi,
        '"$1":0',
      )
      .replaceAll(/(batchctl_\w+(?:\{.*\})?) [\d.e+]+/g, '$1 0');
    // Names and durations may differ in length, and so may columns.
    const narrow = steady
      .replaceAll(/ {2,}/g, '  ')
      .replaceAll(/^TIME {2}\S+ {2}(opened|closed)\b/gm, 'TIME  FIRST  $1');
    if (verb !== 'report') return narrow;
    // Only a command that ran long enough to be sampled has CPU and memory.
    return narrow
      .replaceAll(/ \(of [\d,]+ of [\d,]+ attempts\)/g, '')
      .replaceAll(/,[01](?=,TIME)|,\d+[.]\d+/g, ',N')
      .replaceAll(/(,N,N,\d*,[^,]*,[^,]*),\w*,\w*,/g, '$1,CPU,MEMORY,');
  };
  return { code, out: text(stdout), err: text(stderr) };
}
