// Protects: the claims example produces the same outputs and totals on AWS as locally, with each kind of ledger.
import { expect } from 'chai';
import type { AwsWorkspaceOptions } from '../support/aws-workspace.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { Workspace } from '../support/workspace.ts';
import { type ClaimsResult, claimsResult, copyClaimsExample, expectedTotals } from './claims-run.ts';
import { emulatedWorkspace } from './emulated-aws.ts';

const SUBMIT = [
  'submit',
  'job.yaml',
  '--input',
  'store:month-end/claims.csv',
  '--run-key',
  'month-end-2026-11',
  '--json',
];

/** The example's result on the local profile, which every other profile must match. */
async function runLocally(): Promise<ClaimsResult> {
  const workspace = new Workspace();
  try {
    copyClaimsExample(workspace);
    const { job } = jsonOf(await workspace.run(['run', 'job.yaml', '--json']));
    return await claimsResult(workspace, job);
  } finally {
    await workspace.remove();
  }
}

describe('the claims example on AWS', () => {
  let local: ClaimsResult;

  before(async () => {
    local = await runLocally();
  });

  /** Uploads, submits, runs three workers and watches. Then checks the result, and that nothing is left. */
  async function runOnAws(places: Partial<AwsWorkspaceOptions>): Promise<ClaimsResult> {
    const workspace = await emulatedWorkspace({ worksHere: true, ...places });
    try {
      copyClaimsExample(workspace);
      await workspace.runSuccessfully('upload', 'claims.csv', '--to', 'month-end');
      const { job } = jsonOf(await workspace.run(SUBMIT));
      const workers = [1, 2, 3].map(() => workspace.work({}, '--here'));
      const [watched, ...ended] = await Promise.all([workspace.run(['watch', job]), ...workers]);
      for (const each of [watched, ...ended]) expectExit(each);
      // The same run key must return the same job and start nothing.
      expect(jsonOf(await workspace.run(SUBMIT))).to.include({ job, created: false });
      const [queue] = jsonLinesOf(await workspace.run(['queue', '--json']));
      expect(queue).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
      expect(jsonLinesOf(await workspace.run(['workers', '--all', '--json']))).to.have.length(3);
      return await claimsResult(workspace, job);
    } finally {
      await workspace.remove();
    }
  }

  function expectSame(result: ClaimsResult): void {
    expect(result.outputs).to.deep.equal(local.outputs);
    expect(result.outputs.totals).to.equal(expectedTotals());
    expect(result.expectations).to.deep.equal(local.expectations);
    expect(result.counters).to.deep.equal(local.counters);
    expect(result.steps).to.deep.equal(local.steps);
  }

  it('produces the same bytes and the same proof of its totals with the ledger in the bucket', async () => {
    expectSame(await runOnAws({}));
  });

  describe('with the ledger in SimpleDB', () => {
    const simpledb = forSuite(() => startSimpleDb());

    it('produces the same bytes and the same proof of its totals', async () => {
      expectSame(await runOnAws({ simpledb: simpledb.url, ledger: { kind: 'simpledb', domains: 2 } }));
      expect(simpledb.asked.some(({ action }) => action === 'PutAttributes')).to.equal(true);
    });
  });

  for (const [name, start] of [
    ['PostgreSQL', startPostgres],
    ['MariaDB', startMariadb],
  ] as const) {
    describe(`with the ledger in ${name}`, () => {
      const database = forSuite(() => start());

      it('produces the same bytes and the same proof of its totals', async () => {
        const ledger = { kind: database.kind, url: database.url(), passwordEnv: 'BATCHCTL_LEDGER_WORD' };
        expectSame(await runOnAws({ ledger, env: { BATCHCTL_LEDGER_WORD: database.password } }));
        const [row] = await database.tables('select count(*) as jobs from jobs');
        expect(Number(row?.jobs)).to.equal(1);
      });
    });
  }
});
