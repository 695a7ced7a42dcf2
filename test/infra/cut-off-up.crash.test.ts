// Protects: infra up finishes after being interrupted at any request, and infra down then leaves no paid resource behind.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { CutOffs } from './cut-offs.ts';

describe('infra up, interrupted', function () {
  this.timeout(900_000);
  const account = forSuite(() => CutOffs.open());

  it('continues after a kill at any point, and down leaves nothing', async () => {
    account.configure();
    const changes = await account.changesOf(account.up);
    expect(changes.length).to.be.within(25, 60);
    await account.well(account.down);
    for (const at of changes) {
      account.configure();
      await account.cut(at, account.up);
      await account.well(account.up);
      const left = (await account.well(account.plan)).filter(({ action }) => action !== 'keep');
      expect(left, `cut off before request ${at}`).to.deep.equal([]);
      await account.well(account.down);
      expect(await account.remains(), `cut off before request ${at}`).to.deep.equal([]);
    }
  });
});
