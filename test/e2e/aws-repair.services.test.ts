// Protects: the commands that inspect and repair a job give the same answers on AWS as on the local profile.
import { expect } from 'chai';
import { type Answer, fixSession } from '../support/fix-session.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { Workspace } from '../support/workspace.ts';
import { emulatedWorkspace } from './emulated-aws.ts';

/** Each needs half a minute of commands, so they run concurrently. */
describe('inspecting and repairing a failed job on AWS', () => {
  let database: DatabaseServer;
  let sessions: Readonly<Record<'local' | 'store' | 'postgres', Promise<readonly Answer[]>>>;

  before(async () => {
    database = await startPostgres();
    const ledger = { kind: database.kind, url: database.url(), passwordEnv: 'BATCHCTL_LEDGER_WORD' };
    sessions = {
      local: sessionOf(new Workspace()),
      store: sessionOf(await emulatedWorkspace()),
      postgres: sessionOf(await emulatedWorkspace({ ledger, env: { BATCHCTL_LEDGER_WORD: database.password } })),
    };
  });

  after(async () => {
    await Promise.allSettled(Object.values(sessions ?? {}));
    await database?.stop();
  });

  for (const [name, ledger] of [
    ['the ledger in the bucket', 'store'],
    ['the ledger in PostgreSQL', 'postgres'],
  ] as const) {
    it(`every command answers with ${name} as on the local profile`, async () => {
      const [local, answers] = [await sessions.local, await sessions[ledger]];
      expect(local.find(({ words }) => words === 'total')?.answer).to.equal('22');
      for (const [place, answer] of answers.entries()) expect(answer).to.deep.equal(local[place]);
      expect(answers).to.have.length(local.length);
    });
  }
});

/**
 * Runs the commands and removes the directory. The test that awaits it reports the rejection, so it is never unhandled.
 */
function sessionOf(workspace: Workspace): Promise<readonly Answer[]> {
  const session = fixSession(workspace).finally(() => workspace.remove());
  session.catch(() => undefined);
  return session;
}
