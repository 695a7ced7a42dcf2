// Protects: no other user of the machine can read the queue and the ledger, whatever the umask and the version that created them.
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isSupervised } from '../../../src/adapters/local/ensure-supervisor.ts';
import { openSqliteQueue } from '../../../src/adapters/local/sqlite-queue.ts';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';

describe('the databases of the local profile', () => {
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());
  let root: string;
  beforeEach(() => {
    root = scratch.path('root');
    const umask = process.umask(0);
    cleanup.defer(() => process.umask(umask));
  });

  /** The modes of the files while all databases are open. */
  async function readModes(): Promise<Readonly<Record<string, string>>> {
    const queue = await openSqliteQueue({ root, group: 'default', holder: 'test' });
    await queue.send([{ body: 'one', tenant: 'job' }]);
    const file = join(root, 'ledger.db');
    const ledger = openSqlLedger({ dialect: 'sqlite', file, durability: 'process', writer: 'w' });
    await ledger.open();
    isSupervised(root, 'default');
    const names = ['', ...(readdirSync(root, { recursive: true }) as string[])];
    const found = names.map((name) => {
      const stat = statSync(join(root, name));
      return [name, `${stat.isDirectory() ? 'd' : ''}${(stat.mode & 0o777).toString(8)}`] as const;
    });
    await queue.close();
    await ledger.close();
    return Object.fromEntries(found);
  }

  it('are accessible only to their user, and so are the files next to them', async () => {
    const found = await readModes();
    expect(found).to.include({ '': 'd700', 'ledger.db': '600', 'ledger.db-wal': '600', 'run/default.lock.db': '600' });
    expect(Object.keys(found).filter((name) => name.endsWith('.db'))).to.have.length.of.at.least(3);
    for (const [name, mode] of Object.entries(found)) expect(mode, name).to.be.oneOf(['600', 'd700']);
  });

  it('are closed to others if an earlier version left them open', async () => {
    for (const name of Object.keys(await readModes())) {
      const path = join(root, name);
      if (name.endsWith('.db')) chmodSync(path, 0o644);
    }
    for (const [name, mode] of Object.entries(await readModes())) expect(mode, name).to.be.oneOf(['600', 'd700']);
  });
});
