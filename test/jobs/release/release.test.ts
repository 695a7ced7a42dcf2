// Protects: a release is made once, can be rolled back, and stays consistent when several people release at once.
import { rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { failedBoots, readHold } from '../../../src/jobs/boots.ts';
import { claimRelease, currentRelease, releaseBefore, StackRelease } from '../../../src/jobs/release/stack-release.ts';
import { bootMark, bundleKey, releaseKey } from '../../../src/model/keys.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { keysBelow } from '../../support/stored.ts';

const sum = (letter: string): string => letter.repeat(64);

describe('the release of a stack', () => {
  const scratch = forEachTest(() => new Scratch());
  const store = forEachTest(() => new MemoryStore());
  beforeEach(() => writeFileSync(scratch.path('setup.sh'), 'echo one\n'));

  /** The releases as seen by a program whose bundle has this checksum. */
  const program = (letter: string, setup = false): StackRelease =>
    new StackRelease({
      store,
      clock: new FakeClock(),
      who: 'test@here',
      paths: { setups: { default: setup ? scratch.path('setup.sh') : null }, ca: null },
      pack: async () => ({ sha256: sum(letter), gzip: Buffer.from(letter), version: `0.${letter}` }),
    });
  const textOf = async (key: string) => Buffer.from((await store.read(key)) ?? []).toString();
  /** The letters of the programs of all releases, in the order of their numbers. */
  const letters = async (): Promise<readonly string[]> => {
    const texts = await Promise.all((await keysBelow(store, 'releases/0')).map(textOf));
    return texts.map((text) => JSON.parse(text).sha256[0]);
  };

  it('makes a program current once, and puts its bundle each time', async () => {
    expect((await program('a').look()).current).to.equal(null);
    const release = await program('a').make();
    const fields = { format: 1, number: 0, sha256: sum('a'), version: '0.a', by: 'test@here', restores: null };
    expect(release).to.include(fields);
    await store.delete([bundleKey(sum('a'))]);
    expect((await program('a').look()).differences).to.deep.equal(['the bundle aaaaaaaaaaaa is not in the store']);
    expect(await program('a').make()).to.deep.equal(release);
    expect(await store.read(bundleKey(sum('a')))).to.deep.equal(Buffer.from('a'));
    expect(await program('a').look()).to.deep.include({ differences: [], note: null });
  });

  it('names what another program would change, and makes it the next release', async () => {
    await program('a').make();
    const { differences } = await program('b').look();
    expect(differences).to.deep.equal([
      '0.a (aaaaaaaaaaaa) → 0.b (bbbbbbbbbbbb), for new instances',
      'the bundle bbbbbbbbbbbb is not in the store',
    ]);
    expect((await program('b').make()).number).to.equal(1);
    expect(await program('a').inForce()).to.include({ sha256: sum('b') });
    expect(await program('a').wanted()).to.include({ sha256: sum('a') });
  });

  it('gives releases made at once different numbers, and never makes the same program twice in a row', async () => {
    const racers = ['a', 'b', 'a', 'c', 'b', 'a'];
    await Promise.all(racers.map((letter) => program(letter).make()));
    const released = await letters();
    expect(new Set(released)).to.deep.equal(new Set(['a', 'b', 'c']));
    for (const [at, letter] of released.entries()) expect(letter).not.to.equal(released[at + 1]);
    expect((await currentRelease(store))?.number).to.equal(released.length - 1);
  });

  it('rolls back to the previous release, and a second time to the one before that', async () => {
    for (const letter of ['a', 'b', 'c']) await program(letter).make();
    expect(await program('c').rollBack()).to.include({ number: 3, sha256: sum('b'), restores: 1, tookBack: sum('c') });
    expect(await program('c').rollBack()).to.include({ number: 4, sha256: sum('a'), restores: 0 });
    const { message } = await failsWith('refused', program('c').rollBack());
    expect(message).to.include('0.a (aaaaaaaaaaaa) is the first');
    expect(await letters()).to.deep.equal(['a', 'b', 'c', 'b', 'a']);
  });

  it('stays rolled back after infra up, and is made current again by infra release', async () => {
    await program('a').make();
    await program('b').make();
    await program('b').rollBack();
    const note = '0.b (bbbbbbbbbbbb) was rolled back; make it current again with batchctl infra release';
    expect(await program('b').look()).to.deep.include({ differences: [], note });
    expect(await program('b').wanted()).to.include({ sha256: sum('a') });
    expect(await program('b').make()).to.include({ number: 2, sha256: sum('a') });
    expect(await program('b').make({ anew: true })).to.include({ number: 3, sha256: sum('b') });
  });

  it('refuses to roll back to a bundle that no longer exists', async () => {
    await program('a').make();
    await program('b').make();
    await store.delete([bundleKey(sum('a'))]);
    await failsWith('refused', program('b').rollBack());
    expect(await letters()).to.deep.equal(['a', 'b']);
  });

  it('refuses to roll back if another release became current meanwhile', async () => {
    const first = await program('a').make();
    await program('b').make();
    const rollback = { sha256: sum('a'), version: '0.a', at: 1, by: 'x', restores: 0, tookBack: sum('b') };
    await failsWith('refused', claimRelease(store, rollback, first.number));
    expect((await currentRelease(store))?.sha256).to.equal(sum('b'));
  });

  it('recognises the release of its own first try if the answer was lost', async () => {
    const wanted = { sha256: sum('a'), version: '0.a', at: 1, by: 'x', restores: null, tookBack: null };
    const { release } = await claimRelease(store, wanted);
    expect(await claimRelease(store, wanted)).to.deep.equal({ release, created: false });
  });

  it('puts the setup scripts, and reports one that has changed', async () => {
    await program('a', true).make();
    const { setups } = await program('a', true).wanted();
    expect(await textOf(`releases/setup-${setups.default}`)).to.equal('echo one\n');
    writeFileSync(scratch.path('setup.sh'), 'echo two\n');
    expect((await program('a', true).look()).differences.join()).to.match(/^setup-[0-9a-f]{12} is not in the store$/);
    await program('a', true).make();
    expect((await program('a', true).look()).differences).to.deep.equal([]);
  });

  it('names the field whose file is missing', async () => {
    rmSync(scratch.path('setup.sh'));
    const { message } = await failsWith('config', program('a', true).make());
    expect(message).to.match(/^groups\.default\.setup: .*there is no such file$/);
  });

  const failThreeBoots = async (): Promise<void> => {
    for (const instance of ['i-1', 'i-2', 'i-3']) {
      await store.put(bootMark('default', instance, 'failed'), '{"format":1,"step":"setup","code":3,"line":"no gpu"}');
    }
  };

  it('lifts the hold on groups after failed boots, if made by infra up, only if something changed', async () => {
    await program('a').make();
    await failThreeBoots();
    await program('a').make();
    expect((await readHold(store, 'default'))?.last).to.include({ step: 'setup', code: 3, line: 'no gpu' });
    await program('b').make();
    expect(await failedBoots(store, 'default')).to.deep.equal([]);
  });

  it('lifts the hold on groups after failed boots, if requested by a person, even with the same program', async () => {
    await program('a').make();
    await failThreeBoots();
    await program('a').make({ anew: true });
    expect(await failedBoots(store, 'default')).to.deep.equal([]);
    await program('b').make();
    await program('b').rollBack();
    await failThreeBoots();
    expect(await program('b').continueRollback()).to.include({ number: 2, sha256: sum('a') });
    expect(await failedBoots(store, 'default')).to.deep.equal([]);
  });

  it('deletes only its own files when removed', async () => {
    await program('a', true).make();
    const foreign = [
      'releases/app-1.2.tar.gz',
      'releases/0001.json.bak',
      'releases/notes.json',
      'releases/2024/0001.json',
      `releases/${sum('a').slice(1)}.tar.gz`,
      `releases/${sum('A')}.tar.gz`,
      'releases/setup-1.exe',
      'releases/',
    ];
    for (const key of foreign) await store.put(key, 'foreign');
    await program('a').remove();
    expect(await keysBelow(store, 'releases/')).to.have.members(foreign);
    expect(await program('a').current()).to.equal(null);
  });

  it('reports a release of a later format, and one that is truncated or lacks a field, with its key', async () => {
    for (const [text, kind] of [
      ['{"format":2}', 'newer'],
      ['{"format":1,"numb', 'corrupt'],
      ['{"format":1,"number":0}', 'corrupt'],
    ] as const) {
      await store.put(releaseKey(0), text);
      expect((await failsWith(kind, currentRelease(store))).message).to.include(releaseKey(0));
    }
  });

  it('has none before it if it is the first', async () => {
    expect(await releaseBefore(store, await program('a').make())).to.equal(null);
  });
});
