// Protects: the claims example produces the same outputs and totals on AWS as locally, with each kind of ledger.
import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { type ClaimsResult, claimsResult, expectedTotals, layClaims } from '../support/claims-run.ts';
import { forSuite } from '../support/fixture.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { Workspace } from '../support/workspace.ts';

/** The example's result on the local profile, which every other profile must match. */
async function locally(): Promise<ClaimsResult> {
  const workspace = new Workspace();
  try {
    layClaims(workspace);
    const ran = await workspace.run(['run', 'job.yaml', '--json']);
    expect(ran.code, ran.stderr).to.equal(0);
    return await claimsResult(workspace, JSON.parse(ran.stdout).job);
  } finally {
    await workspace.remove();
  }
}

describe('the claims example on AWS', () => {
  const s3 = forSuite(() => sharedMoto());
  const sqs = forSuite(() => sharedFauxqs());
  let local: ClaimsResult;

  before(async () => {
    local = await locally();
  });

  after(async () => {});

  /** Uploads, submits, runs three workers and watches. Then checks the result, and that nothing is left. */
  async function onAws(places: Partial<Parameters<typeof AwsWorkspace.make>[0]>): Promise<ClaimsResult> {
    const workspace = await AwsWorkspace.make({ s3: s3.url, sqs: sqs.url, worksHere: true, ...places });
    try {
      layClaims(workspace);
      await workspace.well('upload', 'claims.csv', '--to', 'month-end');
      const key = ['--run-key', 'month-end-2026-11'];
      const { stdout } = await workspace.well(
        'submit',
        'job.yaml',
        '--input',
        'store:month-end/claims.csv',
        '--json',
        ...key,
      );
      const { job } = JSON.parse(stdout);
      const workers = [1, 2, 3].map(() => workspace.work({}, '--here'));
      const [watched, ...ended] = await Promise.all([workspace.run(['watch', job]), ...workers]);
      for (const { code, stderr } of [watched, ...ended]) expect(code, stderr).to.equal(0);
      // The same run key must return the same job and start nothing.
      const again = await workspace.well(
        'submit',
        'job.yaml',
        '--input',
        'store:month-end/claims.csv',
        '--json',
        ...key,
      );
      expect(JSON.parse(again.stdout)).to.include({ job, created: false });
      const [queue] = (await workspace.well('queue', '--json')).stdout.trim().split('\n');
      expect(JSON.parse(queue ?? '')).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
      const seen = (await workspace.well('workers', '--all', '--json')).stdout.trim().split('\n');
      expect(seen).to.have.length(3);
      return await claimsResult(workspace, job);
    } finally {
      await workspace.remove();
    }
  }

  function same(result: ClaimsResult): void {
    expect(result.outputs).to.deep.equal(local.outputs);
    expect(result.outputs.totals).to.equal(expectedTotals());
    expect(result.expectations).to.deep.equal(local.expectations);
    expect(result.counters).to.deep.equal(local.counters);
    expect(result.steps).to.deep.equal(local.steps);
  }

  it('produces the same bytes and the same proof of its totals with the ledger in the bucket', async () => {
    same(await onAws({}));
  });

  describe('with the ledger in SimpleDB', () => {
    const simpledb = forSuite(() => startSimpleDb());

    it('produces the same bytes and the same proof of its totals', async () => {
      same(await onAws({ simpledb: simpledb.url, ledger: { kind: 'simpledb', domains: 2 } }));
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
        const ledger = { kind: database.kind, url: database.url(), passwordEnv: 'LEDGER_WORD' };
        same(await onAws({ ledger, env: { LEDGER_WORD: database.password } }));
        const [row] = await database.tables('select count(*) as jobs from jobs');
        expect(Number(row?.jobs)).to.equal(1);
      });
    });
  }
});
