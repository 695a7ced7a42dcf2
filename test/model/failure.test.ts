// Protects: failures with the same cause are grouped under one id, which never changes.
// Protects: errors that differ only in numbers, ids or times are grouped as one, and odd lines cost no extra time.
// Protects: tries of a task spread out, up to five minutes apart, and tasks that failed together don't retry together.
import { expect } from 'chai';
import { causeId, causeText, retryDelay } from '../../src/model/failure.ts';
import { foldError } from '../../src/model/fold-error.ts';

const cause = { step: 'price', exitCode: 1, reason: 'exit', error: 'row 17: bad rate' };

describe('a cause', () => {
  it('is the same text for failures that differ only in folded parts', () => {
    expect(causeText({ ...cause, error: 'row 9: bad rate' })).to.equal(causeText(cause));
    expect(causeText(cause)).to.equal('price exit 1 row <n>: bad rate');
  });

  it('differs by step, exit code, reason and error', () => {
    const others = [
      { ...cause, step: 'total' },
      { ...cause, exitCode: 2 },
      { ...cause, exitCode: null },
      { ...cause, reason: 'timeout' },
      { ...cause, error: 'row 17: no rate' },
      { ...cause, error: null },
    ];
    expect(new Set([cause, ...others].map(causeText)).size).to.equal(7);
    expect(new Set([cause, ...others].map(causeId)).size).to.equal(7);
  });

  it('has an id that never changes, because notes and tickets refer to it', () => {
    expect(causeId(cause)).to.equal('qip7w6');
    expect(causeId({ ...cause, error: 'row <n>: bad rate' })).to.equal(causeId(cause));
  });

  it('has well distributed ids: of 2,000 texts at most a few share one', () => {
    const words = Array.from({ length: 2_000 }, (_, n) =>
      String.fromCharCode(97 + (n % 26), 97 + ((n / 26) % 26), 97 + n / 676),
    );
    const ids = new Set(words.map((error) => causeId({ ...cause, error })));
    expect(ids.size).to.be.at.least(1_998);
    for (const id of ids) expect(id).to.match(/^[a-z2-7]{6}$/);
    for (const at of [0, 5]) expect(new Set([...ids].map((id) => id[at])).size).to.equal(32);
  });
});

const FOLDS: readonly (readonly [string, string])[] = [
  ['row 17: bad rate', 'row <n>: bad rate'],
  ['row 9999999: bad', 'row <n>: bad'],
  ['row 12345678: bad', 'row <n>: bad'],
  ['took 1.2s of 950ms', 'took <n> of <n>'],
  ['read 12.5MB, 80%', 'read <n>'],
  ['-3.5e-7 is below +2', '<n> is below <n>'],
  ['missing columns 1, 2,3', 'missing columns <n>'],
  ['2026-11-25 03:12:51,123 ERROR no rate', '<time> ERROR no rate'],
  ['2026-11-25T03:12:51.123Z no rate', '<time> no rate'],
  ['2026-11-25T03:12:51+01:00 no rate', '<time> no rate'],
  ['2026/11/25 03:12:51 no rate', '<time> no rate'],
  ['[03:12:51] no rate for 2026-11-25', '[<time>] no rate for <time>'],
  ['Nov 25 03:12:51 host: no rate', '<time> host: no rate'],
  ['Wed, 25 Nov 2026 03:12:51 GMT no rate', '<time> no rate'],
  ['[25/Nov/2026:03:12:51 +0000] no rate', '[<time>] no rate'],
  ['may 5 rows', 'may <n> rows'],
  ["[Errno 2] No such file or directory: '/tmp/my file.csv'", "[Errno 2] No such file or directory: '<path>'"],
  ['cannot open ./in/17.csv', 'cannot open <path>'],
  ['cannot open in/alice.csv', 'cannot open <path>'],
  ['cannot open "C:\\data\\my file.csv"', 'cannot open "<path>"'],
  ['cannot open C:\\data\\a.csv', 'cannot open <path>'],
  ['alice.csv: not a CSV file', '<path>: not a CSV file'],
  ['/usr/bin/python3.11: No module named rates', '<path>: No module named rates'],
  ['file:///tmp/x/price.mjs:12', 'file:///<path>:<n>'],
  ['at price (/srv/job/price.mjs:12:7)', 'at price (<path>:<n>)'],
  ['GET https://api.example.com/v1/rows/17?x=1 gave HTTP 503', 'GET https://api.example.com/<path> gave HTTP 503'],
  ['I/O error on read/write', 'I/O error on read/write'],
  ['expected application/json', 'expected application/json'],
  ['HTTP/1.1 404 Not Found', 'HTTP/1.1 404 Not Found'],
  ['status code 500', 'status code 500'],
  ['exited with 3', 'exited with 3'],
  ['Error code: 12345', 'Error code: <n>'],
  ['connect ECONNREFUSED 10.0.0.17:5432', 'connect ECONNREFUSED <n>'],
  ['no customer ann.b@example.com', 'no customer <address>'],
  ['request 6f1d2c3b-1a2b-4c3d-8e9f-001122334455 denied', 'request <n> denied'],
  ['commit a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'commit <n>'],
  ['<Policy object at 0x7f3a2c>', '<Policy object at <n>>'],
  ['claim k7dq3f2m5x4p is gone', 'claim <n> is gone'],
  ['job claims-20261125-0312-abcde: gone', 'job claims-<n>: gone'],
  ['policy POL-00017 has no rate', 'policy POL-<n> has no rate'],
  ['\u001b[31mError:\u001b[0m\tno  rate\u0007', 'Error: no rate'],
  ["KeyError: 'rate'", "KeyError: 'rate'"],
  ['effaced decade facade', 'effaced decade facade'],
  ['', ''],
];

type Random = () => number;

/** The same numbers in each run. */
function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const letters = (random: Random, alphabet: string, length: number): string =>
  Array.from({ length }, () => alphabet[below(random, alphabet.length)]).join('');
const HEX = '0123456789abcdef';

/** What differs from task to task, in its possible forms. */
const VARYING: Readonly<Record<string, (random: Random) => string>> = {
  number: (random) => String(below(random, 10 ** (1 + below(random, 12)))),
  decimal: (random) => (random() * 10_000 - 5_000).toFixed(below(random, 6)),
  uuid: (random) => [8, 4, 4, 4, 12].map((length) => letters(random, HEX, length)).join('-'),
  hash: (random) => `9${letters(random, HEX, 39)}`,
  pointer: (random) => `0x${letters(random, HEX, 12)}`,
  path: (random) => `/data/${letters(random, 'abcdefg', 1 + below(random, 8))}/${below(random, 1_000)}.csv`,
  quoted: (random) => `'/data/${letters(random, 'abc ', 1 + below(random, 8))}/x.csv'`,
  file: (random) => `${letters(random, 'abcdefg', 1 + below(random, 8))}.csv`,
  time: (random) => new Date(below(random, 4e12)).toISOString().replace(/^[+-]\d+/, '2026'),
  local: (random) => new Date(below(random, 2e12)).toISOString().slice(0, 19).replace('T', ' '),
};
const AROUND = [
  'bad value $',
  '$: no rate',
  'row $ of $: expected $',
  '[$] failed',
  '$',
  'a=$, b=$;',
  '($) "$"',
] as const;

describe('folding an error line', () => {
  for (const [line, folded] of FOLDS) {
    it(`makes ${JSON.stringify(folded)} of ${JSON.stringify(line)}`, () => {
      expect(foldError(line)).to.equal(folded);
    });
  }

  for (const [kind, make] of Object.entries(VARYING)) {
    it(`makes one text of lines that differ only in a ${kind}`, () => {
      const random = seeded(7);
      for (const text of AROUND) {
        const folded = new Set(Array.from({ length: 200 }, () => foldError(text.replaceAll('$', () => make(random)))));
        expect([...folded], text).to.have.length(1);
      }
    });
  }

  it('leaves a folded text unchanged', () => {
    const random = seeded(11);
    const signs = 'ab1.,:;/\\-+\'"<>()[] =@%\u00e9\u0000\u001b[3m';
    for (let i = 0; i < 5_000; i += 1) {
      const line = letters(random, `${signs}0x9TZnov`, below(random, 300));
      const folded = foldError(line);
      expect(foldError(folded), JSON.stringify(line)).to.equal(folded);
      expect(folded.length).to.be.at.most(240);
    }
  });

  it('takes no longer for a line designed to be slow', () => {
    const before = process.cpuUsage();
    for (const hard of ['a/'.repeat(256), '1'.repeat(512), 'a1'.repeat(256), "'/".repeat(256), 'a.a@'.repeat(128)]) {
      foldError(hard);
    }
    // CPU time, because on a busy machine half a second of wall time is little.
    expect(process.cpuUsage(before).user).to.be.below(500_000);
  });
});

describe('the delay before the next try', () => {
  it('is at most a second after the first failure, doubles after each further one, and is limited to five minutes', () => {
    const bounds = [1, 2, 3, 4, 8, 9, 10, 1_000].map((failed) => retryDelay(failed, 1));
    expect(bounds).to.deep.equal([1, 2, 4, 8, 128, 256, 300, 300]);
  });

  it('is random up to that bound, in tenths of a second', () => {
    expect([0, 0.25, 0.333, 0.999].map((random) => retryDelay(4, random))).to.deep.equal([0, 2, 2.7, 8]);
  });
});
