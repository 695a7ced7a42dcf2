import { randomId } from '../../lib/id.ts';
import { type Finding, fail, pass } from '../../ports/check.ts';
import { SimpleDbClient } from './simpledb-client.ts';
import type { SimpleDbOptions } from './simpledb-http.ts';

/** Whether SimpleDB answers, and takes an item and gives it back where the ledger's domains are. Makes no domain. */
export async function checkSimpleDb(options: SimpleDbOptions, domains: readonly string[]): Promise<Finding> {
  const client = new SimpleDbClient({ ...options, attempts: 2 });
  const known = new Set<string>();
  for await (const domain of client.listDomains()) known.add(domain);
  const [domain] = domains.filter((each) => known.has(each));
  if (domain === undefined) return pass('SimpleDB responds; the domains are created when first used');
  const name = `doctor-${randomId(10)}`;
  await client.put(domain, { name, attributes: { e: name } });
  const found = await client.get(domain, name);
  await client.deleteAll(domain, [name]);
  if (found?.e === name) return pass(`SimpleDB accepts writes: ${domains.length} domains from ${domains[0]} on`);
  return fail(
    `SimpleDB did not return what was written to ${domain}`,
    'use another kind of ledger; batchctl ledger rebuild fills it from the store',
  );
}
