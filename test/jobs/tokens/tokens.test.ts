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
import { rejection } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';

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
    for await (const { key } of store.list(''))
      all += `${key} ${new TextDecoder().decode((await store.read(key)) ?? undefined)}\n`;
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
    expect(await rejection(make())).to.include({ kind: 'refused' });
    for (const name of ['', 'Ann', '9', 'a b', 'x'.repeat(41), '../x', 'a\n'])
      expect(await rejection(make(name)), name).to.include({ kind: 'usage' });
    await revokeTokens(place(), await findTokens(place(), 'ann'));
    expect((await make()).token.name).to.equal('ann');
  });

  it('are both refused if two are created at once with one name', async () => {
    for (let round = 0; round < 20; round += 1) {
      const made = await Promise.allSettled([make('ann'), make('ann'), make('ann')]);
      const live = await listTokens(store, () => {});
      const good = made.filter(({ status }) => status === 'fulfilled').length;
      expect(good).to.be.at.most(1);
      expect(live).to.have.length(good);
      if (good > 0) await revokeTokens(place(), live);
    }
  });

  it('keep their name until they are revoked if their creator died before showing them', async () => {
    const dies = wrapStore(store, {
      put: async (...given) => {
        await store.put(...given);
        throw new Error('killed');
      },
    });
    expect((await rejection(make('ann', null, dies))).message).to.equal('killed');
    expect(await rejection(make())).to.include({ kind: 'refused' });
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
    expect(await rejection(findTokens(place(), 'ann'))).to.include({ kind: 'notFound' });
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
    const counted = (): { readonly own: ObjectStore; reads: number } => {
      const at = {
        reads: 0,
        own: wrapStore(store, {
          read: (...given) => {
            at.reads += 1;
            return store.read(...given);
          },
        }),
      };
      return at;
    };

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

    it("expire exactly by the manager's clock, whatever is cached", async () => {
      const reader = new TokenReader(place());
      const { text } = await make('ann', 2);
      expect(await reader.find(text)).to.not.equal(null);
      clock.pass(1.999);
      expect(await reader.find(text)).to.not.equal(null);
      clock.pass(0.001);
      expect(await reader.find(text)).to.equal(null);
    });

    it('are read from the store once in five seconds, by any number of callers', async () => {
      const at = counted();
      const reader = new TokenReader(place(at.own));
      const { text } = await make();
      await Promise.all(Array.from({ length: 50 }, () => reader.find(text)));
      expect(at.reads).to.equal(1);
      clock.pass(5);
      await reader.find(text);
      expect(at.reads).to.equal(2);
    });

    it("are not even looked up if they can't be tokens", async () => {
      const at = counted();
      const reader = new TokenReader(place(at.own));
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
      expect(at.reads).to.equal(0);
    });

    it('are rejected if the store does not know them', async () => {
      const reader = new TokenReader(place());
      await make();
      const text = fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((bytes) => `bct_${Buffer.from(bytes).toString('base64url')}`);
      await fc.assert(fc.asyncProperty(text, async (each) => (await reader.find(each)) === null));
    });

    it('prove nothing while the store is unavailable', async () => {
      const reader = new TokenReader(place(wrapStore(store, { read: () => Promise.reject(new Error('no answer')) })));
      const { text } = await make();
      expect((await rejection(reader.find(text))).message).to.equal('no answer');
    });

    it('are rejected if a newer version created them, or someone altered them', async () => {
      const reader = new TokenReader(place());
      const { text } = await make();
      const key = tokenKey(hashOf(text));
      const stored = JSON.parse(new TextDecoder().decode((await store.read(key)) ?? undefined));
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
      const at = counted();
      const reader = new TokenReader(place(at.own));
      const made: string[] = [];
      for (let n = 0; n < 1_001; n += 1) {
        const text = `bct_${Buffer.alloc(32, `${n} `).toString('base64url')}`;
        const stored = {
          format: 1,
          name: `t${n}`,
          scope: 'read',
          who: 'x',
          at: new Date(0).toISOString(),
          expires: null,
        };
        await store.put(tokenKey(hashOf(text)), JSON.stringify(stored));
        made.push(text);
        await reader.find(text);
      }
      expect(reader.wasGood(made[0] ?? '')).to.equal(false);
      expect(reader.wasGood(made[1] ?? '')).to.equal(true);
    });
  });
});
