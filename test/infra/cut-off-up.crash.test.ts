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
    await account.succeed(account.down);
    for (const change of changes) {
      account.configure();
      await account.cut(change, account.up);
      await account.succeed(account.up);
      expect(await account.planned(), `cut off before request ${change}`).to.deep.equal([]);
      await account.succeed(account.down);
      expect(await account.leftovers(), `cut off before request ${change}`).to.deep.equal([]);
    }
  });
});
