// Protects: whatever the umask, batchctl's own files are accessible only to their owner, and batchctl accepts them.
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

/**
 * Everything that a worker creates: pieces, copies of outputs, a gather's files, job files, secrets, failures, logs.
 */
const JOB = {
  name: 'ways',
  files: ['rates/eu.csv'],
  input: { from: ['numbers.txt', 'more.gz'], split: { by: 'lines', every: 1 } },
  tolerate: 1,
  steps: [
    // A worker's directories, and what it created in the slot before the command started.
    {
      name: 'look',
      run: 'find ../.. -path "*/run/*" -prune -o -path "*/code/*" -prune -o ! -name out ! -name err -printf "%m %p\\n"',
    },
    { name: 'pass', output: 'file', secrets: { K: 'env:HOME' }, run: 'read n; cp /dev/stdin $BATCHCTL_OUTPUT' },
    { name: 'many', gather: true, input: 'dir', output: 'files', run: 'cp -r $BATCHCTL_INPUT $BATCHCTL_OUTPUT_DIR/in' },
    {
      name: 'fail',
      gather: true,
      input: 'dir',
      attempts: 1,
      run: 'find .. -path "*/inputs/*" -perm /077 >&2; echo failed >&2; exit 3',
    },
  ],
};

describe('under a umask of 0', () => {
  let workspace: Workspace;
  let umask: number;
  beforeEach(() => {
    umask = process.umask(0);
    workspace = new Workspace();
  });
  afterEach(async () => {
    process.umask(umask);
    await workspace.remove();
  });

  it('closes everything below a root to others, even if an earlier version left it open', async () => {
    const root = workspace.path('.batchctl');
    for (const name of ['work/logs', 'run', 'store', 'tmp']) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'run/default.log'), '');
    // A root, or its store, that everyone may write to is refused.
    for (const path of [root, join(root, 'store')]) chmodSync(path, 0o755);
    mkdirSync(workspace.path('rates'));
    workspace.write('rates/eu.csv', '40\n');
    workspace.write('numbers.txt', '1\n2\n');
    writeFileSync(workspace.path('more.gz'), gzipSync('3\n'));
    workspace.write('job.json', JOB);
    const ran = expectExit(await workspace.start(['run', 'job.json', '--run-key', 'x', '--json']).ended, 5);
    for (const args of [
      ['upload', 'numbers.txt'],
      ['manager', 'token', 'create', 'ann'],
      ['scale', '1'],
    ])
      expect(await workspace.run(args)).to.include({ code: 0 });
    await until('a worker has its directory', () =>
      readdirSync(join(root, 'work')).some((name) => name.startsWith('w-')),
    );
    // Others may still pass through as before: a worker that runs commands as another user may be active.
    expect(open(root)).to.have.members(['711 ', '711 run', '711 work', '711 work/logs']);
    const names = readdirSync(root, { recursive: true }) as string[];
    expect(
      names.filter((name) => /run\/default\.log$|work\/logs\/.*\.log$|steps\/fail\/log\/.*@$/.test(name)),
    ).to.have.length(3);
    const { job } = JSON.parse(ran.stdout.split('\n')[0] ?? '');
    expect((await workspace.run(['logs', job, 'fail/0'])).stdout).to.equal('failed\n');
    const { stdout } = await workspace.run(['fetch', job, '--step', 'look', '-o', '-']);
    expect(stdout.split('\n').filter((line) => !/^[0-7]00 /.test(line))).to.deep.equal(['']);
  });

  it('init writes a configuration that the next command accepts', async () => {
    expect(await workspace.run(['init', 'new'])).to.include({ code: 0 });
    expect(open(workspace.path('new'), 0o022)).to.deep.equal([]);
  });
});

/** What others may access in a directory, itself included, with its mode. */
function open(directory: string, rights = 0o077): readonly string[] {
  return ['', ...(readdirSync(directory, { recursive: true }) as string[])].flatMap((name) => {
    const { mode } = statSync(join(directory, name));
    return (mode & rights) === 0 ? [] : [`${(mode & 0o7777).toString(8)} ${name}`];
  });
}
