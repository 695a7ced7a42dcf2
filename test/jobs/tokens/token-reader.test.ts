// Protects: operators see when each token was last used with any manager.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import {
  createToken,
  findTokens,
  listTokens,
  readTokenUse,
  revokeTokens,
  TokenUses,
  USE_MS,
} from '../../../src/jobs/tokens.ts';
import { TOKEN_USES_PREFIX, tokenUseKey } from '../../../src/model/keys.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { GuardedServer } from '../../support/manager/guarded-server.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { keysBelow } from '../../support/stored.ts';
import { wrapStore } from '../../support/wrap-store.ts';

const ID = 'abcdef012345';

describe("a token's last use", () => {
  const clock = new FakeClock();
  let store: ObjectStore;
  let puts: number;
  let isAway: boolean;
  beforeEach(() => {
    [puts, isAway] = [0, false];
    const inner = new MemoryStore(() => clock.now());
    store = wrapStore(inner, {
      put: (key, body, options) => {
        if (isAway) throw new BatchctlError('unavailable', 'the store is away');
        puts += 1;
        return inner.put(key, body, options);
      },
    });
  });
  const iso = () => new Date(clock.now()).toISOString();

  it('is written at most once an hour, however often the token is used', async () => {
    const uses = new TokenUses({ store, clock });
    expect(await readTokenUse(store, ID)).to.equal(null);
    const first = iso();
    for (let minute = 0; minute < 59; minute += 1) {
      for (let call = 0; call < 100; call += 1) uses.recordUse(ID);
      await uses.write();
      clock.pass(60);
    }
    expect([puts, await readTokenUse(store, ID)]).to.deep.equal([1, first]);
    clock.pass(USE_MS / 1_000);
    await uses.write();
    expect(puts, 'without use').to.equal(1);
    uses.recordUse(ID);
    await uses.write();
    expect([puts, await readTokenUse(store, ID)]).to.deep.equal([2, iso()]);
  });

  it('is written again after the clock was set back by an hour', async () => {
    const uses = new TokenUses({ store, clock });
    uses.recordUse(ID);
    await uses.write();
    clock.set(clock.now() - USE_MS);
    uses.recordUse(ID);
    await uses.write();
    expect([puts, await readTokenUse(store, ID)]).to.deep.equal([2, iso()]);
  });

  it('is the latest that either of two managers saw', async () => {
    const [one, other] = [new TokenUses({ store, clock }), new TokenUses({ store, clock })];
    one.recordUse(ID);
    await one.write();
    clock.pass(600);
    other.recordUse(ID);
    await other.write();
    expect([puts, await readTokenUse(store, ID)]).to.deep.equal([2, iso()]);
  });

  it('is written later if the store is unavailable', async () => {
    const uses = new TokenUses({ store, clock });
    const at = iso();
    uses.recordUse(ID);
    isAway = true;
    await uses.write();
    isAway = false;
    clock.pass(60);
    await uses.write();
    expect(await readTokenUse(store, ID)).to.equal(at);
  });

  it('is unknown if its object is not readable', async () => {
    for (const text of ['rubbish', '{"format":2,"at":"2026-11-26T00:00:00Z"}', '{"format":1,"at":"soon"}']) {
      await store.put(tokenUseKey(ID), text);
      expect(await readTokenUse(store, ID), text).to.equal(null);
    }
  });

  it('is not listed as a token, and is removed with its token', async () => {
    const place = { store, clock, who: 'ann@desk' };
    const { token } = await createToken(place, { name: 'ann', scope: 'read', expiresIn: null });
    const uses = new TokenUses({ store, clock });
    uses.recordUse(token.id);
    await uses.write();
    expect((await listTokens(store, () => {})).map(({ id }) => id)).to.deep.equal([token.id]);
    await revokeTokens(place, await findTokens(place, 'ann'));
    expect(await keysBelow(store, 'tokens/')).to.deep.equal([]);
  });

  it('is written by a manager that stops, only for tokens that it accepted', async () => {
    const server = await GuardedServer.open();
    const token = await server.token('read');
    expect((await server.call('/api/v1/me', token)).status).to.equal(200);
    expect((await server.call('/api/v1/me', `bct_${'x'.repeat(43)}`)).status).to.equal(401);
    const used = () => keysBelow(server.store, TOKEN_USES_PREFIX);
    expect(await used()).to.deep.equal([]);
    await server.close();
    const [{ id } = { id: '' }] = await findTokens(server, 'read');
    expect(await used()).to.deep.equal([tokenUseKey(id)]);
  });
});
