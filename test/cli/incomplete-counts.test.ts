// Protects: without its ledger, status says that its counts are incomplete, and never shows zeros as the truth.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

const INCOMPLETE = 'counts are incomplete: run batchctl ledger rebuild';

describe('the status of a job whose ledger was deleted', () => {
  const place = forEachTest(() => Workspace.withLongLeases());

  const loseLedger = (): void => {
    for (const end of ['', '-wal', '-shm']) rmSync(place.path('.batchctl', `ledger.db${end}`), { force: true });
  };
  const incomplete = async (): Promise<boolean> =>
    (JSON.parse((await place.runSuccessfully('status', '--json')).stdout) as { incomplete: boolean }).incomplete;

  it('says so for a closed job until the ledger is rebuilt', async () => {
    place.write('job.json', rangeJob('claims', 3, { name: 'price', run: 'cat' }));
    await place.runSuccessfully('run', 'job.json', '--profile', 'local');
    expect(await incomplete()).to.equal(false);
    loseLedger();
    expect((await place.runSuccessfully('status')).stdout).to.include(INCOMPLETE);
    expect(await incomplete()).to.equal(true);
    await place.runSuccessfully('ledger', 'rebuild');
    expect((await place.runSuccessfully('status')).stdout).to.not.include('incomplete');
  });

  it('says so for an open job that the ledger does not know, but not for one that was just sent', async () => {
    place.write('job.json', rangeJob('claims', 3, { name: 'price', run: 'cat' }));
    await place.runSuccessfully('submit', 'job.json', '--profile', 'local');
    expect(await incomplete()).to.equal(false);
    loseLedger();
    expect((await place.runSuccessfully('status')).stdout).to.include(INCOMPLETE);
    expect(await incomplete()).to.equal(true);
  });
});
