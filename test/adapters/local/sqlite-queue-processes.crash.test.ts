// Protects: worker processes that share a SQLite queue get each task once, and a killed process loses none.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { bundled } from '../../support/run/bundled.ts';
import { until } from '../../support/until.ts';

const CLAIMER = bundled(join(import.meta.dirname, 'fixtures', 'queue-claimer.ts'));
const MESSAGES = 5_000;

describe('the SQLite queue shared by processes', () => {
  let root: string;
  let children: ChildProcess[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-queue-'));
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true });
  });

  function claimer(n: number, leaseSeconds: number, ...rest: string[]): ChildProcess {
    const argv = [CLAIMER, root, `w-${n}`, String(leaseSeconds), ...rest];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(child);
    return child;
  }

  const four = () => [0, 1, 2, 3].map((n) => claimer(n, 15));

  async function send(): Promise<void> {
    const queue = await openSqliteQueue({ root, group: 'default', holder: 'sender' });
    await queue.send(Array.from({ length: MESSAGES }, (_, n) => ({ body: String(n), tenant: `job-${n % 3}` })));
    await queue.close();
  }

  const codeOf = async (child: ChildProcess) => child.exitCode ?? (await once(child, 'exit'))[0];
  const logOf = (n: number) => {
    const file = join(root, `w-${n}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  };
  const all = Array.from({ length: MESSAGES }, (_, n) => String(n));
  const byNumber = (a: string, b: string) => Number(a) - Number(b);

  it('is created by several at once', async () => {
    const opened = await Promise.all(four().map(codeOf));
    expect(opened).to.deep.equal([0, 0, 0, 0]);
  });

  it('delivers each message once when no process dies', async () => {
    await send();
    expect(await Promise.all(four().map(codeOf))).to.deep.equal([0, 0, 0, 0]);
    expect([0, 1, 2, 3].flatMap(logOf).sort(byNumber)).to.deep.equal(all);
  });

  it('loses none when a process is killed between claim and ack', async () => {
    await send();
    const victim = claimer(0, 2, 'hang');
    await until('the victim holds some', () => logOf(0).length === 20);
    victim.kill('SIGKILL');
    // Only the victim's lease is short: the others' never end on a busy machine.
    expect(await Promise.all([claimer(1, 15), claimer(2, 15)].map(codeOf))).to.deep.equal([0, 0]);
    expect([...logOf(1), ...logOf(2)].sort(byNumber), 'what the victim held is delivered again').to.deep.equal(all);
    const queue = await openSqliteQueue({ root, group: 'default', holder: 'looker' });
    const { oldestSeconds: _, ...counts } = await queue.backlog();
    await queue.close();
    expect(counts).to.deep.equal({ visible: 0, leased: 0, delayed: 0, dead: 0 });
  });
});
