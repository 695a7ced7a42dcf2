import { expect } from 'chai';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { type Answer, mendingTour } from '../support/mending-tour.ts';
import type { DatabaseServer } from '../support/servers/database-server.ts';
import { type Fauxqs, startFauxqs } from '../support/servers/fauxqs.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { sharedMoto } from '../support/servers/shared-moto.ts';
import { Workspace } from '../support/workspace.ts';

/** Each takes half a minute of commands, so they are under way together. */
describe('the day after, on AWS', function () {
  this.timeout(180_000);
  let sqs: Fauxqs;
  let database: DatabaseServer;
  let tours: Readonly<Record<'local' | 'store' | 'postgres', Promise<readonly Answer[]>>>;

  before(async function () {
    const s3 = await sharedMoto(this);
    sqs = await startFauxqs();
    database = await startPostgres(this);
    const ledger = { kind: database.kind, url: database.url(), passwordEnv: 'LEDGER_WORD' };
    const places = { s3: s3.url, sqs: sqs.url };
    tours = {
      local: tourOf(new Workspace()),
      store: tourOf(await AwsWorkspace.make(places)),
      postgres: tourOf(await AwsWorkspace.make({ ...places, ledger, env: { LEDGER_WORD: database.password } })),
    };
  });

  after(async () => {
    await Promise.allSettled(Object.values(tours ?? {}));
    await Promise.all([sqs?.stop(), database?.stop()]);
  });

  for (const [name, ledger] of [
    ['the ledger in the bucket', 'store'],
    ['the ledger in PostgreSQL', 'postgres'],
  ] as const) {
    it(`every command answers with ${name} as on the local profile`, async () => {
      const [local, answers] = [await tours.local, await tours[ledger]];
      expect(local.find(({ words }) => words === 'total')?.answer).to.equal('22');
      for (const [place, answer] of answers.entries()) expect(answer).to.deep.equal(local[place]);
      expect(answers).to.have.length(local.length);
    });
  }
});

/** The tour, and the end of its directory; never unhandled: told by the test that awaits it. */
function tourOf(workspace: Workspace): Promise<readonly Answer[]> {
  const tour = mendingTour(workspace).finally(() => workspace.remove());
  tour.catch(() => undefined);
  return tour;
}
