import type { AwsProfile } from '../config.ts';
import { eachParallel } from '../lib/each-parallel.ts';
import type { Platform } from '../ports/platform.ts';
import { serverOptions } from './aws-ledger.ts';

/** Jobs read at a time. */
const AT_ONCE = 16;

/**
 * Drops the tables of the profile's ledger on a server, unless they hold a job that `isKnown` denies, as another stack
 * then uses the database. Returns why they stay; null once they are gone.
 */
export async function dropTables(
  profile: AwsProfile,
  platform: Platform,
  isKnown: (job: string) => Promise<boolean>,
): Promise<{ readonly why: string } | null> {
  const { ledger: server } = profile;
  if (server.kind !== 'postgres' && server.kind !== 'mysql') return null;
  const ledger = await platform.ledger();
  const foreign: string[] = [];
  await eachParallel(await ledger.jobs({}), AT_ONCE, async ({ job }) => {
    if (foreign.length === 0 && !(await isKnown(job))) foreign.push(job);
  });
  const [other] = foreign;
  if (other !== undefined) return { why: `they contain ${other}, which is not a job of this stack` };
  const [{ AwsClients }, { dropLedger }] = await Promise.all([
    import('../adapters/aws/clients.ts'),
    import('../adapters/sql/check-ledger.ts'),
  ]);
  const { region, account, endpoints, aws } = profile;
  const clients = new AwsClients({ region, account, endpoints, profile: aws.profile });
  try {
    await dropLedger(await serverOptions(profile, clients, server));
  } finally {
    await clients.close();
  }
  return null;
}
