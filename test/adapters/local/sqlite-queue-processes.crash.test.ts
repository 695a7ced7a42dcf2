// Protects: worker processes that share a SQLite queue get each task once, and a killed process loses none.

import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';
import { type Child, ChildPrograms, exitCodeOf, fixtureProgram } from '../child-programs.ts';

const CLAIMER = fixtureProgram(import.meta.dirname, 'queue-claimer');
const MESSAGES = 5_000;

describe('the SQLite queue shared by processes', () => {
  const scratch = forEachTest(() => new Scratch());
  const programs = forEachTest(() => new ChildPrograms());

  const open = (holder: string) => openSqliteQueue({ root: scratch.directory, group: 'default', holder });
  const startClaimer = (n: number, leaseSeconds = 600, ...args: string[]): Child =>
    programs.start(CLAIMER, scratch.directory, `w-${n}`, String(leaseSeconds), ...args);
  const runFour = () => Promise.all([0, 1, 2, 3].map((n) => exitCodeOf(startClaimer(n))));

  async function send(): Promise<void> {
    const queue = await open('sender');
    await queue.send(all.map((body, n) => ({ body, tenant: `job-${n % 3}` })));
    await queue.close();
  }

  const logOf = (n: number) => {
    const file = scratch.path(`w-${n}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  };
  const all = Array.from({ length: MESSAGES }, (_, n) => String(n));
  const byNumber = (a: string, b: string) => Number(a) - Number(b);

  it('is created by several processes at once', async () => {
    expect(await runFour()).to.deep.equal([0, 0, 0, 0]);
  });

  it('delivers each message once when no process dies', async () => {
    await send();
    expect(await runFour()).to.deep.equal([0, 0, 0, 0]);
    expect([0, 1, 2, 3].flatMap(logOf).sort(byNumber)).to.deep.equal(all);
  });

  it('loses none when a process is killed between claim and ack', async () => {
    await send();
    const victim = startClaimer(0, 2, 'hang');
    await until('the victim holds some', () => logOf(0).length === 20);
    victim.kill('SIGKILL');
    // Only the victim's lease is short, so that the others' leases never expire on a busy machine.
    expect(await Promise.all([startClaimer(1), startClaimer(2)].map(exitCodeOf))).to.deep.equal([0, 0]);
    expect([...logOf(1), ...logOf(2)].sort(byNumber), 'the messages of the victim are delivered again').to.deep.equal(
      all,
    );
    const queue = await open('reader');
    const { oldestSeconds: _, ...counts } = await queue.backlog();
    await queue.close();
    expect(counts).to.deep.equal({ visible: 0, leased: 0, delayed: 0, dead: 0 });
  });
});
