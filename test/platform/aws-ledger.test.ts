// Protects: a ledger's password is read from its secret no more often than needed, and again once it was refused.

import { expect } from 'chai';
import { secretPassword } from '../../src/platform/aws-ledger.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { rejection } from '../support/rejection.ts';

const ADDRESS = { host: 'db.example.com', port: 5432, user: 'me', database: 'batch', tls: true };

describe("a ledger's password in a secret", () => {
  const time = forEachTest(() => new HeldTime());

  /** A password whose secret has these values, one after another; the last one stays. */
  function passwordOf(...values: readonly (string | Error)[]) {
    let reads = 0;
    const read = async (): Promise<string> => {
      const value = values[Math.min(reads, values.length - 1)] ?? '';
      reads += 1;
      if (value instanceof Error) throw value;
      return value;
    };
    const source = secretPassword('ssm:/db', { read });
    const renewOnce = async (refused: string): Promise<string | null | undefined> => source.renew?.(refused);
    const renew = async (refused: string): Promise<string | null | undefined> => {
      const renewing = renewOnce(refused);
      await time.pass(20_000);
      return renewing;
    };
    return { get: () => source.get(ADDRESS), renew, renewOnce, reads: () => reads, from: source.from };
  }

  it('is read once, also by connections that begin together, and names its source', async () => {
    const password = passwordOf('one', 'two');
    expect(await Promise.all([password.get(), password.get()])).to.deep.equal(['one', 'one']);
    expect(await password.get()).to.equal('one');
    expect([password.reads(), password.from]).to.deep.equal([1, 'ssm:/db']);
  });

  it('is read again after it was refused, and then kept', async () => {
    const password = passwordOf('one', 'two', 'three');
    await password.get();
    expect(await password.renew('one')).to.equal('two');
    expect(await password.get()).to.equal('two');
    expect(password.reads()).to.equal(2);
  });

  it('is not read again by a connection that was refused with an older one', async () => {
    const password = passwordOf('one', 'two', 'three');
    await password.get();
    expect(await Promise.all([password.renew('one'), password.renew('one')])).to.deep.equal(['two', 'two']);
    expect(await password.renew('one')).to.equal('two');
    expect(password.reads()).to.equal(2);
  });

  it('is given up if the secret has no other for ten seconds', async () => {
    const password = passwordOf('one');
    await password.get();
    let newer: string | null | undefined = 'not yet';
    const renewing = password.renewOnce('one').then((found) => {
      newer = found;
    });
    await time.pass(8_000);
    expect(newer).to.equal('not yet');
    await time.pass(4_000);
    await renewing;
    expect([newer, password.reads()]).to.deep.equal([null, 5]);
  });

  it('is read again after a read failed', async () => {
    const password = passwordOf(new Error('throttled'), 'one');
    expect((await rejection(password.get())).message).to.equal('throttled');
    expect(await password.get()).to.equal('one');
  });
});
