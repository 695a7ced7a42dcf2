// Protects: tokens stay secret and unique, and stop working when they expire or are revoked.
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  createToken,
  FRESH_MS,
  findTokens,
  hashOf,
  listTokens,
  revokeTokens,
  TokenReader,
} from '../../../src/jobs/tokens.ts';
import { tokenKey } from '../../../src/model/keys.ts';
import { TOKEN_TEXT } from '../../../src/model/token.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { readText } from '../stored-text.ts';

describe('tokens', () => {
  const clock = new FakeClock();
  let store: ObjectStore;
  beforeEach(() => {
    store = new MemoryStore(() => clock.now());
  });
  const place = (own = store) => ({ store: own, clock, who: 'ann@desk' });
  const make = (name = 'ann', expiresIn: number | null = null, own = store) =>
    createToken(place(own), { name, scope: 'submit', expiresIn });
  const everything = async (): Promise<string> => {
    let all = '';
    for await (const key of store.keys('')) all += `${key} ${await readText(store, key)}\n`;
    return all;
  };

  it('are 256 random bits, of which the store keeps only the hash', async () => {
    const { text, token } = await make();
    expect(text).to.match(TOKEN_TEXT);
    expect(Buffer.from(text.slice(4), 'base64url')).to.have.length(32);
    expect(token).to.include({ name: 'ann', scope: 'submit', who: 'ann@desk', expires: null });
    const all = await everything();
    expect(all).to.include(hashOf(text)).and.not.include(text.slice(4, 20));
    expect(hashOf(text).slice(0, 12)).to.equal(token.id);
    expect((await make('bob')).text).to.not.equal(text);
  });

  it('never share a name while both are in use', async () => {
    await make();
    await failsWith('refused', make());
    for (const name of ['', 'Ann', '9', 'a b', 'x'.repeat(41), '../x', 'a\n'])
      expect(await rejection(make(name)), name).to.include({ kind: 'usage' });
    await revokeTokens(place(), await findTokens(place(), 'ann'));
    expect((await make()).token.name).to.equal('ann');
  });

  it('are both refused if two are created at once with one name', async () => {
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled([make('ann'), make('ann'), make('ann')]);
      const created = results.filter(({ status }) => status === 'fulfilled').length;
      expect(created).to.be.at.most(1);
      const listed = await listTokens(store, () => {});
      expect(listed).to.have.length(created);
      await revokeTokens(place(), listed);
    }
  });

  it('keep their name until they are revoked if their creator died before showing them', async () => {
    const killing = wrapStore(store, {
      put: async (...args) => {
        await store.put(...args);
        throw new Error('killed');
      },
    });
    expect((await rejection(make('ann', null, killing))).message).to.equal('killed');
    await failsWith('refused', make());
    await revokeTokens(place(), await findTokens(place(), 'ann'));
    await make();
  });

  it('free their name when they expire, and are removed with it', async () => {
    const first = await make('ann', 60);
    clock.pass(60);
    await make('ann');
    expect(await new TokenReader(place()).find(first.text)).to.equal(null);
    await revokeTokens(place(), await findTokens(place(), 'ann'));
    expect(await everything()).to.equal('');
    await failsWith('notFound', findTokens(place(), 'ann'));
  });

  it("are found by their id, even if they can't be read", async () => {
    const { token } = await make();
    expect(await findTokens(place(), token.id)).to.have.length(1);
    await store.put(tokenKey('f'.repeat(64)), 'rubbish');
    const troubles: string[] = [];
    await listTokens(store, (id) => troubles.push(id));
    expect(troubles).to.deep.equal(['f'.repeat(12)]);
    await revokeTokens(place(), await findTokens(place(), 'f'.repeat(12)));
    expect(await listTokens(store, () => {})).to.have.length(1);
  });

  describe('read by a manager', () => {
    it('are accepted until they are revoked, and at most five seconds more', async () => {
      const reader = new TokenReader(place());
      const { text, token } = await make();
      expect(await reader.find(text)).to.deep.equal(token);
      await revokeTokens(place(), await findTokens(place(), 'ann'));
      clock.pass(FRESH_MS / 1_000 - 0.001);
      expect(await reader.find(text)).to.not.equal(null);
      clock.pass(0.001);
      expect(await reader.find(text)).to.equal(null);
      expect(reader.wasGood(text)).to.equal(false);
      expect(FRESH_MS).to.be.at.most(5_000);
    });

    it("expire exactly by the manager's clock, although they are cached", async () => {
      const reader = new TokenReader(place());
      const { text } = await make('ann', 2);
      expect(await reader.find(text)).to.not.equal(null);
      clock.pass(1.999);
      expect(await reader.find(text)).to.not.equal(null);
      clock.pass(0.001);
      expect(await reader.find(text)).to.equal(null);
    });

    it('are read from the store once in five seconds, by any number of callers', async () => {
      const { store: recorded, requests } = recordRequests(store);
      const reader = new TokenReader(place(recorded));
      const { text } = await make();
      await Promise.all(Array.from({ length: 50 }, () => reader.find(text)));
      expect(requests).to.have.length(1);
      clock.pass(5);
      await reader.find(text);
      expect(requests).to.have.length(2);
    });

    it("are rejected without a request if they can't be tokens", async () => {
      const { store: recorded, requests } = recordRequests(store);
      const reader = new TokenReader(place(recorded));
      const { text } = await make();
      const wrong = [
        '',
        'bct_',
        text.slice(0, -1),
        `${text}A`,
        text.toUpperCase(),
        ` ${text}`,
        'x'.repeat(100_000),
        `bct_${'é'.repeat(43)}`,
      ];
      for (const each of wrong) expect(await reader.find(each), each.slice(0, 60)).to.equal(null);
      expect(requests).to.deep.equal([]);
    });

    it('are rejected if the store does not know them', async () => {
      const reader = new TokenReader(place());
      await make();
      const text = fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((bytes) => `bct_${Buffer.from(bytes).toString('base64url')}`);
      await fc.assert(fc.asyncProperty(text, async (each) => (await reader.find(each)) === null));
    });

    it('are neither accepted nor rejected while the store is unavailable', async () => {
      const reader = new TokenReader(place(wrapStore(store, { read: () => Promise.reject(new Error('no answer')) })));
      const { text } = await make();
      expect((await rejection(reader.find(text))).message).to.equal('no answer');
    });

    it('are rejected if a newer version created them, or someone altered them', async () => {
      const reader = new TokenReader(place());
      const { text } = await make();
      const key = tokenKey(hashOf(text));
      const stored = JSON.parse(await readText(store, key));
      const cases: [unknown, string][] = [
        [{ ...stored, format: 2 }, 'newer'],
        [{ ...stored, scope: 'admin' }, 'corrupt'],
        [{ ...stored, scope: undefined }, 'corrupt'],
        [{ ...stored, expires: 'soon' }, 'corrupt'],
        [{ ...stored, expires: undefined }, 'corrupt'],
        [{ ...stored, name: 7 }, 'corrupt'],
        ['x', 'corrupt'],
      ];
      for (const [value, kind] of cases) {
        await store.put(key, JSON.stringify(value));
        expect(await rejection(reader.find(text)), JSON.stringify(value)).to.include({ kind });
      }
    });

    it('are cached up to a thousand', async () => {
      const reader = new TokenReader(place());
      const { text } = await make();
      const stored = await readText(store, tokenKey(hashOf(text)));
      const copies = Array.from({ length: 1_001 }, (_, n) => `bct_${Buffer.alloc(32, `${n} `).toString('base64url')}`);
      for (const copy of copies) {
        await store.put(tokenKey(hashOf(copy)), stored);
        await reader.find(copy);
      }
      expect(copies.slice(0, 2).map((copy) => reader.wasGood(copy))).to.deep.equal([false, true]);
    });
  });
});
