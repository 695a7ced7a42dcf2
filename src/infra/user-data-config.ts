import type { AwsGroup, AwsProfile } from '../config.ts';

/** Whose configuration it is: a worker's, of a group, or the manager's, which also sizes them. */
export type Reader = { readonly worker: string } | 'manager';

/**
 * The profile as an instance reads it (`/etc/batchctl/config.json`): what it needs, and nothing that only makes a stack.
 * Secrets are in it as references only. A worker gets every group, as it sends tasks to other groups' queues and raises
 * those groups; `env` and `secrets` only of its own, which alone its commands get.
 */
export function instanceConfig(profile: AwsProfile, reader: Reader, ca: string | null): unknown {
  const { name, region, account, stack, bucket, groups, kmsKey, tz, endpoints, budget, prices } = profile;
  const allowSecrets = allowedFor(reader, profile);
  const elsewhere = Object.entries(endpoints).filter(([, url]) => url !== undefined && !isLoopback(url));
  return {
    profile: name,
    profiles: {
      [name]: {
        ...{ backend: 'aws', region, stack },
        ...(account !== null && { account }),
        bucket: {
          ...{ name: bucket.name, existing: bucket.existing, prefix: bucket.prefix },
          ...(bucket.owner !== account && { owner: bucket.owner }),
        },
        ledger: ledgerOf(profile, ca),
        groups: Object.fromEntries(Object.entries(groups).map(([group, of]) => [group, groupOf(group, of, reader)])),
        ...(kmsKey !== null && { kmsKey }),
        ...(tz !== null && { tz }),
        ...(allowSecrets.length > 0 && { allowSecrets }),
        ...(profile.requesterPays.length > 0 && { requesterPays: profile.requesterPays }),
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

function groupOf(name: string, of: AwsGroup, reader: Reader): unknown {
  const { visibility, min, max, slots, env, secrets, ...group } = of;
  const own = isOwn(name, reader);
  return {
    ...{ visibility: `${visibility}s`, min, max },
    ...(slots !== null && { slots }),
    ...(own && Object.keys(env).length > 0 && { env }),
    ...(own && Object.keys(secrets).length > 0 && { secrets }),
    ...{ instances: group.instances, spot: group.spot },
    ...(own && group.rebalance === 'leave' && { rebalance: group.rebalance }),
    ...(reader === 'manager' && { onDemandBase: group.onDemandBase, onDemandMax: group.onDemandMax }),
  };
}

const isOwn = (group: string, reader: Reader): boolean => reader !== 'manager' && reader.worker === group;

/** Jobs may also name what any group's secrets name, as on the machine that submits them (`Platform.allowedSecrets`). */
function allowedFor(reader: Reader, { allowSecrets, groups }: AwsProfile): readonly string[] {
  const others = Object.entries(groups).flatMap(([group, { secrets }]) =>
    isOwn(group, reader) ? [] : Object.values(secrets).filter((reference) => /^(env|file):/.test(reference)),
  );
  return [...new Set([...allowSecrets, ...others])];
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
