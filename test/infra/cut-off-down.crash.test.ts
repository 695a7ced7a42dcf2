// Protects: infra down finishes after being interrupted at any request, and leaves no paid resource behind.
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { CutOffs } from './cut-offs.ts';

describe('infra down, interrupted', function () {
  this.timeout(900_000);
  const account = forSuite(() => CutOffs.open());

  it('continues after a kill at any point', async () => {
    account.configure();
    await account.create();
    const missing = (await account.succeed(account.up)).filter(({ action }) => action !== 'keep');
    expect(missing, 'of what infra up creates').to.deep.equal([]);
    const changes = await account.changesOf(account.down);
    expect(changes.length).to.be.within(15, 60);
    for (const change of changes) {
      account.configure();
      await account.create();
      await account.cut(change, account.down);
      await account.succeed(account.down);
      expect(await account.leftovers(), `cut off before request ${change}`).to.deep.equal([]);
    }
  });
});
