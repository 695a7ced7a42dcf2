// Protects: API callers can read and write only the objects meant for them, never tokens or certificates.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { isKind } from '../../src/errors.ts';
import { isRawDataKey } from '../../src/model/keys.ts';
import {
  OBJECT_ACCESS,
  rangeOf,
  requireReadable,
  requireReadablePrefix,
  requireWritable,
} from '../../src/model/object-access.ts';
import { anyCharacter } from '../support/any-character.ts';

const SHA = 'a'.repeat(64);

/** The kind of error that a check of a key throws. */
function kindOf(check: (key: string) => unknown, of: string): string {
  try {
    check(of);
    return 'fine';
  } catch (error) {
    if (isKind(error, 'usage', 'refused')) return error.kind;
    throw error;
  }
}
const writable = (of: string): string => requireWritable(of, SHA);

/** Malicious names, and harmless ones. */
const name = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    '%2e%2e',
    '..%2f',
    'tokens',
    'manager',
    'data',
    'jobs',
    'x',
    '\0',
    '\n',
    '\\..\\',
    '~',
    '\ud800',
  ),
  fc.string({ unit: anyCharacter, maxLength: 6 }),
);
const key = fc.array(name, { maxLength: 6 }).map((names) => names.join('/'));

describe('the objects that callers can read and put', () => {
  it('are limited to a few prefixes, whatever the rest of the key', () => {
    fc.assert(
      fc.property(key, (text) => {
        const kind = kindOf(requireReadable, text);
        if (kind !== 'fine') return;
        expect(OBJECT_ACCESS.read.read.some((prefix) => text.startsWith(prefix))).to.equal(true);
        expect(text.split('/').some((each) => ['', '.', '..'].includes(each))).to.equal(false);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
        expect(/[\x00-\x1f\x7f]/.test(text)).to.equal(false);
        expect(Buffer.from(text).toString()).to.equal(text);
      }),
      { numRuns: 2_000 },
    );
  });

  it('can be put only below data/, and code only under its hash', () => {
    fc.assert(
      fc.property(key, (text) => {
        const kind = kindOf(writable, text);
        if (kind === 'fine') expect(text.startsWith('data/') || text === `code/${SHA}.tar.gz`).to.equal(true);
      }),
      { numRuns: 2_000 },
    );
    expect(writable('data/a/b c.csv')).to.equal('data');
    expect(writable(`code/${SHA}.tar.gz`)).to.equal('code');
    expect(writable(`data/inputs/${SHA}/a.csv`)).to.equal('data');
    expect(kindOf(writable, `code/${'b'.repeat(64)}.tar.gz`)).to.equal('usage');
    expect(kindOf(writable, `data/inputs/${'b'.repeat(64)}/a.csv`)).to.equal('usage');
    for (const no of [
      'jobs/a/job.json',
      'tokens/x.json',
      'manager/tls.json',
      'releases/0000.json',
      'runs/k/0000.json',
      'open/a.0',
      'code/x.tar.gz',
      'Data/x',
    ]) {
      expect(kindOf(writable, no), no).to.equal('refused');
    }
  });

  it("never include tokens, certificates, managers' marks, ledger or queues", () => {
    for (const no of [
      'tokens/a.json',
      'manager/tls.json',
      'keepers/a.json',
      'ledger/created/a',
      'groups/default.json',
      'notices/a',
      'due/a.1',
      'releases/0000.json',
      'schedules/a/0000.json',
      'workers/a/log',
    ]) {
      expect(kindOf(requireReadable, no), no).to.equal('refused');
      expect(kindOf(requireReadablePrefix, no), no).to.equal('refused');
    }
    for (const no of [
      '',
      '/',
      'd',
      'data',
      'jobs',
      '../data/',
      'data/../tokens/',
      'data//',
      `data/${'x'.repeat(1_020)}`,
    ]) {
      expect(kindOf(requireReadablePrefix, no), no).to.be.oneOf(['usage', 'refused']);
    }
    expect(kindOf(requireReadablePrefix, 'data/')).to.equal('fine');
    expect(kindOf(requireReadablePrefix, 'data/cla')).to.equal('fine');
  });
});

describe('the prefixes of the layout', () => {
  /** What each prefix allows: to callers of the manager, and to jobs that name the stack's own bucket. */
  const ALLOWED: Readonly<Record<string, string>> = {
    'data/': 'read put deliver',
    'jobs/': 'read',
    'code/': 'read put',
    'open/': 'read',
    'runs/': 'read',
    'due/': '',
    'workers/': '',
    'keepers/': '',
    'notices/': '',
    'news/': '',
    'schedules/': '',
    'groups/': '',
    'releases/': '',
    'ledger/': '',
    'tokens/': '',
    'manager/': '',
  };
  const source = readFileSync(new URL('../../src/model/keys.ts', import.meta.url), 'utf8');
  const code = source.replaceAll(/\/\*.*?\*\//gs, '');
  const prefixes = new Set([...code.matchAll(/[`']([a-z]+\/)/g)].map(([, prefix = '']) => prefix));
  // Below an attempt's prefix.
  prefixes.delete('files/');

  it('are all in this table', () => {
    expect([...prefixes].sort()).to.deep.equal(Object.keys(ALLOWED).sort());
  });

  for (const prefix of [...prefixes, 'anything-new/', 'data', ''])
    it(`allow below ${prefix || 'the top'} no more than the table says`, () => {
      const name = prefix === 'code/' ? `${SHA}.tar.gz` : 'x/y';
      const allowed = [
        ...(kindOf(requireReadable, `${prefix}${name}`) === 'fine' ? ['read'] : []),
        ...(kindOf(writable, `${prefix}${name}`) === 'fine' ? ['put'] : []),
        ...(isRawDataKey(`${prefix}${name}`) ? ['deliver'] : []),
      ];
      expect(allowed.join(' ')).to.equal(ALLOWED[prefix] ?? '');
    });

  it('keep inputs that are named by their content from deliveries', () => {
    expect(isRawDataKey(`data/inputs/${SHA}/a.csv`)).to.equal(false);
    expect(isRawDataKey('data/inputs.csv')).to.equal(true);
  });

  it('give rights to change to no scope but submit', () => {
    expect(OBJECT_ACCESS.read.write).to.deep.equal([]);
    expect(OBJECT_ACCESS.operate).to.deep.equal({ read: [], write: [] });
  });
});

describe('a range of bytes', () => {
  it('is limited to the object, counted from its end, or beyond it', () => {
    expect(rangeOf('bytes=0-3', 10)).to.deep.equal({ offset: 0, length: 4 });
    expect(rangeOf('bytes=8-', 10)).to.deep.equal({ offset: 8, length: 2 });
    expect(rangeOf('bytes=8-99', 10)).to.deep.equal({ offset: 8, length: 2 });
    expect(rangeOf('bytes=-3', 10)).to.deep.equal({ offset: 7, length: 3 });
    expect(rangeOf('bytes=-99', 10)).to.deep.equal({ offset: 0, length: 10 });
    expect([rangeOf('bytes=10-', 10), rangeOf('bytes=-0', 10), rangeOf('bytes=0-', 0)]).to.deep.equal([
      'beyond',
      'beyond',
      'beyond',
    ]);
    for (const none of [undefined, '', 'bytes=', 'bytes=-', 'bytes=3-1', 'bytes=0-1,4-5', 'lines=0-1', 'bytes=a-b']) {
      expect(rangeOf(none, 10), none).to.equal(null);
    }
  });

  it('is always within the object', () => {
    const number = fc.option(fc.nat(40), { nil: '' });
    fc.assert(
      fc.property(number, number, fc.nat(30), (from, to, size) => {
        const range = rangeOf(`bytes=${from}-${to}`, size);
        if (range === null || range === 'beyond') return;
        expect(range.length).to.be.greaterThan(0);
        expect(range.offset + range.length).to.be.at.most(size);
      }),
    );
  });
});
