// Protects: infra down never drops the tables of an SQL ledger that another stack still uses.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { deniedBy, idleGrants, printedPolicy, takePermissions } from '../support/iam.ts';
import { rangeJob } from '../support/range-job.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { StackWorkspace } from './stack-workspace.ts';

for (const [name, startServer] of [
  ['PostgreSQL', startPostgres],
  ['MariaDB', startMariadb],
] as const) {
  describe(`infra down of a ledger on ${name}`, () => {
    const server = forSuite(() => startServer());
    const cloud = forSuite(() => startCloud({ facts: true }));
    const workspace = forSuite(() => new StackWorkspace(cloud, { BATCHCTL_LEDGER_PASSWORD: server.password }));

    const tableCount = async (): Promise<number> => {
      const schema = server.kind === 'postgres' ? "table_schema = 'public'" : 'table_schema = database()';
      return (await server.tables(`select table_name from information_schema.tables where ${schema}`)).length;
    };
    const configure = (stack?: string): void => {
      const ledger = { kind: server.kind, url: server.url(), passwordEnv: 'BATCHCTL_LEDGER_PASSWORD' };
      workspace.configure({ ledger }, stack);
    };

    it('keeps its tables while they hold a job of another stack, and drops them afterwards', async () => {
      configure();
      const first = workspace.stack;
      await workspace.up('--only', 'data');
      workspace.write('job.json', rangeJob('echo', 2, { name: 'one', run: ['true'] }));
      const job = await workspace.submit('--no-scale');
      configure();
      await workspace.up('--only', 'data');
      const tables = (await workspace.down('--delete-data')).find(({ kind }) => kind === 'tables');
      expect(tables?.why).to.equal(`they contain ${job}, which is not a job of this stack`);
      expect(await tableCount()).to.be.above(5);
      configure(first);
      await workspace.runSuccessfully('cancel', job, '--yes');
      cloud.takeCalls();
      await workspace.down('--delete-data');
      expect(await tableCount()).to.equal(0);
      const calls = takePermissions(cloud, { stack: first });
      const policy = await printedPolicy(workspace, 'admin');
      expect(deniedBy(policy, calls)).to.deep.equal([]);
      expect(idleGrants(policy, calls)).not.to.include('UnfinishedJobs s3:GetObject');
    });
  });
}
