import type { AwsGroup, AwsProfile } from '../config.ts';

/** Whose configuration it is: a worker of any group, or the manager, which also sizes them. */
export type Reader = 'worker' | 'manager';

/**
 * The profile as an instance reads it (`/etc/batchctl/config.json`): what it needs, and nothing that only makes a stack.
 * Secrets are in it as references only. A worker gets every group, as it sends tasks to other groups' queues, and runs
 * those that another group hands over to its own.
 */
export function instanceConfig(profile: AwsProfile, reader: Reader, ca: string | null): unknown {
  const { name, region, account, stack, bucket, groups, allowSecrets, kmsKey, tz, endpoints, budget, prices } = profile;
  const elsewhere = Object.entries(endpoints).filter(([, url]) => url !== undefined && !isLoopback(url));
  return {
    profile: name,
    profiles: {
      [name]: {
        ...{ backend: 'aws', region, stack },
        ...(account !== null && { account }),
        bucket: { name: bucket.name, existing: bucket.existing, prefix: bucket.prefix },
        ledger: ledgerOf(profile, ca),
        groups: Object.fromEntries(Object.entries(groups).map(([group, of]) => [group, groupOf(of, reader)])),
        ...(kmsKey !== null && { kmsKey }),
        ...(tz !== null && { tz }),
        ...(allowSecrets.length > 0 && { allowSecrets }),
        // Whoever looks on guards what jobs cost.
        ...((budget.month !== null || budget.job !== null) && { budget: budgetOf(budget) }),
        ...(Object.keys(prices).length > 0 && { prices }),
        ...(elsewhere.length > 0 && { endpoints: Object.fromEntries(elsewhere) }),
        ...toldBy(reader, profile),
        ...(reader === 'manager' && ofManager(profile)),
      },
    },
  };
}

function groupOf({ visibility, min, max, slots, env, secrets, ...group }: AwsGroup, reader: Reader): unknown {
  return {
    ...{ visibility: `${visibility}s`, min, max },
    ...(slots !== null && { slots }),
    ...(reader === 'worker' && Object.keys(env).length > 0 && { env }),
    ...(reader === 'worker' && Object.keys(secrets).length > 0 && { secrets }),
    ...{ instances: group.instances, spot: group.spot },
    ...(reader === 'manager' && { onDemandBase: group.onDemandBase, onDemandMax: group.onDemandMax }),
  };
}

const budgetOf = ({ month, job }: AwsProfile['budget']): object => ({
  ...(month !== null && { month }),
  ...(job !== null && { job }),
});

/** A worker tells whom it can: what is run, and secrets of one machine, are left to keepers. */
function toldBy(reader: Reader, { notify }: AwsProfile): object {
  const list = notify.filter(
    ({ to, secret = '' }) => reader === 'manager' || !(to.startsWith('exec:') || /^(env|file):/.test(secret)),
  );
  return { ...(list.length > 0 && { notify: list }) };
}

function ofManager({ metrics, manager }: AwsProfile): object {
  return {
    ...(metrics && { metrics }),
    ...(manager !== null && { manager }),
  };
}

/** The authority's certificate lies beside the file. A password never does: it comes by the unit's environment. */
function ledgerOf({ ledger }: AwsProfile, ca: string | null): unknown {
  if (ledger.kind === 'store' || ledger.kind === 'simpledb') return ledger;
  const { passwordEnv, ca: _path, ...rest } = ledger;
  return { ...rest, ...(passwordEnv !== null && { passwordEnv }), ...(ca !== null && { ca: 'ca.pem' }) };
}

/** An endpoint of the machine that this is made on (a tunnel, an emulator) is none on an instance. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127[.]/.test(hostname);
}
