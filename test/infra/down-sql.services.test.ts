// Protects: infra down never drops the tables of an SQL ledger that another stack still uses.
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { allows, callsOf, idleGrants } from '../support/iam.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { StackWorkspace, well } from './stack-workspace.ts';

const JOB = {
  name: 'echo',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [{ name: 'one', run: ['true'] }],
};

for (const [name, startServer] of [
  ['PostgreSQL', startPostgres],
  ['MariaDB', startMariadb],
] as const) {
  describe(`infra down of a ledger on ${name}`, () => {
    const server = forSuite(() => startServer());
    const cloud = forSuite(() => startCloud({ facts: true }));
    const workspace = forSuite(() => new StackWorkspace(cloud));

    before(async () => {
      // The command line reads it from its own environment.
      process.env.LEDGER_PASSWORD = server.password;
    });
    after(async () => {
      delete process.env.LEDGER_PASSWORD;
    });

    const tables = async (): Promise<number> => {
      const schema = server.kind === 'postgres' ? "table_schema = 'public'" : 'table_schema = database()';
      return (await server.tables(`select table_name from information_schema.tables where ${schema}`)).length;
    };
    const ledger = () => ({ kind: server.kind, url: server.url(), passwordEnv: 'LEDGER_PASSWORD' });
    const infra = (...args: readonly string[]) => workspace.wellHere('infra', ...args, '--only', 'data');
    const down = (...args: readonly string[]) => workspace.downHere('--delete-data', ...args);

    it('keeps its tables while they hold a job of another stack, and drops them afterwards', async () => {
      workspace.configure({ ledger: ledger() });
      const first = workspace.stack;
      await infra('up', '--yes');
      workspace.write('job.json', JOB);
      await workspace.wellHere('submit', 'job.json', '--no-scale');
      const [job] = (await workspace.here('jobs')).lines as unknown as readonly { readonly job: string }[];
      workspace.configure({ ledger: ledger() });
      await infra('up', '--yes');
      const why = (await well(down())).find(({ kind }) => kind === 'tables')?.why;
      expect(why).to.equal(`they contain ${job?.job}, which is not a job of this stack`);
      expect(await tables()).to.be.above(5);
      workspace.configure({ ledger: ledger() }, first);
      await workspace.here('cancel', job?.job ?? '', '--yes');
      cloud.takeCalls();
      const gone = await down();
      expect(gone.code, gone.stderr).to.equal(0);
      expect(await tables()).to.equal(0);
      const { stdout } = await workspace.run(['infra', 'policies', '--for', 'admin']);
      const asking = { account: cloud.account, stack: workspace.stack };
      const calls = cloud.takeCalls().flatMap((call) => callsOf(call, asking));
      const policy: PolicyDocument = JSON.parse(stdout);
      expect(calls.filter((call) => !allows(policy, call))).to.deep.equal([]);
      expect(idleGrants(policy, calls)).not.to.include('JobsOfTables s3:GetObject');
    });
  });
}
