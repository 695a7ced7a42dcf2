// Protects: infra down finishes after being interrupted at any request, and leaves no paid resource behind.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { CutOffs } from './cut-offs.ts';

describe('infra down, interrupted', function () {
  this.timeout(900_000);
  const account = forSuite(() => CutOffs.open());

  it('continues after a kill at any point', async () => {
    account.configure();
    await account.make();
    const missed = (await account.well(account.up)).filter(({ action }) => action !== 'keep');
    expect(missed, 'of what infra up makes').to.deep.equal([]);
    const changes = await account.changesOf(account.down);
    expect(changes.length).to.be.within(15, 60);
    for (const at of changes) {
      account.configure();
      await account.make();
      await account.cut(at, account.down);
      await account.well(account.down);
      expect(await account.remains(), `cut off before request ${at}`).to.deep.equal([]);
    }
  });
});
