// Protects: the proof of a job detects any input byte that no part, or more than one part, covers.
import { expect } from 'chai';
import fc from 'fast-check';
import type { JobInput, JobRecord } from '../../../src/model/job.ts';
import { pieceKey } from '../../../src/model/keys.ts';
import {
  type FilePart,
  type Part,
  type PiecePart,
  parsePart,
  type RangePart,
  type RowPart,
} from '../../../src/model/part.ts';
import type { Rehearsal } from '../../../src/model/rehearsal.ts';
import { Findings } from '../../../src/model/verify/findings.ts';
import { FilePartsCheck, PartsCheck } from '../../../src/model/verify/parts-check.ts';
import { viewOf } from '../job-of.ts';

const JOB = 'claims-20261130-0600-abcde';

function input(name: string, size: number, more: Partial<JobInput> = {}): JobInput {
  const pin = { inode: '1', size, mtimeNs: '1' };
  const source = { kind: 'file', path: `/data/${name}`, pin } as const;
  return { name, size, source, checksum: null, records: null, compression: null, ...more };
}

function record(split: string, inputs: readonly JobInput[], parts: number): JobRecord {
  const from = inputs.length > 0 ? 'from: a, ' : '';
  const yaml = `name: claims\ninput: { ${from}split: ${split} }\nsteps: [{ name: price, run: [cat] }]\n`;
  return { ...viewOf([], yaml).record, inputs, parts };
}

/** Adjacent ranges of one input with these lengths. */
function ranges(at: number, header: number, lengths: readonly number[], first = 0): RangePart[] {
  let offset = header;
  return lengths.map((length, index) => {
    const part: RangePart = {
      n: first + index,
      kind: 'range',
      input: at,
      offset,
      length,
      ...(header > 0 && { header: { offset: 0, length: header } }),
    };
    offset += length;
    return part;
  });
}

function codesOf(job: JobRecord, parts: readonly Part[]): { codes: readonly string[]; bytes: number } {
  const findings = new Findings();
  const check = new PartsCheck({ record: job, accepted: job }, findings);
  for (const part of parts) check.add(part);
  check.finish();
  return { codes: findings.list().map(({ code }) => code), bytes: check.bytes };
}

describe('the proof that parts contain every byte once', () => {
  const CSV = '{ by: csv, size: 10, header: true }';
  const twoInputs = [input('a.csv', 30), input('b.csv', 12)];
  const parts = [...ranges(0, 4, [10, 10, 6]), ...ranges(1, 3, [9], 3)];
  const job = record(CSV, twoInputs, 4);

  it('finds every row of a table that is missing, twice, altered in its columns, or of another kind', () => {
    const rows = (lines: readonly number[], names = ['lr', 'seed']): RowPart[] =>
      lines.map((at, n) => {
        const params = Object.fromEntries(names.map((name) => [name, String(at)]));
        return { n, kind: 'row', input: 0, at, params };
      });
    const table = record('{ by: table }', [input('a.csv', 30, { records: 3 })], 3);
    const [first, second, third] = rows([2, 3, 7]);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three rows');
    expect(codesOf(table, [first, second, third])).to.deep.equal({ codes: [], bytes: 30 });
    expect(codesOf(table, [first, second]).codes).to.deep.equal(['partMissing', 'records']);
    expect(codesOf(table, [first, second, { ...second, n: 2 }]).codes).to.deep.equal(['partTwice']);
    expect(codesOf(table, [first, second, { ...third, params: { lr: '1' } }]).codes).to.deep.equal(['partAltered']);
    expect(codesOf(table, [first, second, { n: 2, kind: 'item', input: 0, item: 'x' }]).codes).to.include('partKind');
    expect(codesOf(record('{ by: list }', [input('a', 30, { records: 1 })], 1), rows([2])).codes).to.include(
      'partKind',
    );
    const none = {
      ...record('{ by: table }', [input('a.csv', 8, { records: 0, parts: 0 })], 0),
      digestFormat: 2 as const,
    };
    expect(codesOf(none, []).codes).to.deep.equal([]);
  });

  it('finds nothing wrong with parts that follow each other from the header to the end of each input', () => {
    expect(codesOf(job, parts)).to.deep.equal({ codes: [], bytes: 42 });
  });

  it('accepts inputs that are empty or only a header', () => {
    const inputs = [input('empty.csv', 0), ...twoInputs, input('header.csv', 8)];
    const moved = parts.map((part) => ({ ...part, input: part.input + 1 }));
    expect(codesOf(record(CSV, inputs, 4), moved).codes).to.deep.equal([]);
  });

  it('names an input that no part contains', () => {
    expect(codesOf(record('{ by: lines, size: 10 }', twoInputs, 1), ranges(0, 0, [30])).codes).to.deep.equal([
      'inputMissing',
    ]);
    const [first = input('a.csv', 30)] = twoInputs;
    const last = (split: string, size: number) =>
      codesOf(record(split, [first, input('last.csv', size)], 1), ranges(0, 0, [30])).codes;
    // A line of a CSV without a header is a record.
    expect(last('{ by: csv, size: 10, header: false }', 3)).to.deep.equal(['inputMissing']);
    expect(last('{ by: csv, size: 10, header: true }', 2 ** 20)).to.deep.equal([]);
    expect(last('{ by: csv, size: 10, header: true }', 2 ** 20 + 1)).to.deep.equal(['inputMissing']);
  });

  it('accepts a list of empty lines, and no whole file of a pipe', () => {
    expect(codesOf(record('{ by: list }', [input('empty.txt', 3)], 0), []).codes).to.deep.equal([]);
    const piped = record('{ by: file }', [input('-', 3, { source: { kind: 'pipe' } })], 1);
    expect(codesOf(piped, [{ n: 0, kind: 'whole', input: 0 }]).codes).to.include('partKind');
  });

  it('finds any part that was removed, duplicated, moved or shortened', () => {
    const harm = fc.record({
      lengths: fc.array(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 }), {
        minLength: 1,
        maxLength: 3,
      }),
      header: fc.integer({ min: 0, max: 5 }),
      at: fc.nat(),
      how: fc.constantFrom('drop', 'double', 'shift', 'shorten', 'renumber', 'rehead'),
    });
    fc.assert(
      fc.property(harm, ({ lengths, header, at, how }) => {
        const all = lengths.flatMap((each, index) => {
          const first = lengths.slice(0, index).flat().length;
          return ranges(index, header, each, first);
        });
        const inputs = lengths.map((each, index) => input(`${index}`, header + each.reduce((sum, n) => sum + n, 0)));
        const whole = record(CSV, inputs, all.length);
        expect(codesOf(whole, all).codes).to.deep.equal([]);
        const index = at % all.length;
        const part = all[index];
        if (part === undefined) return;
        const { offset, length, n } = part;
        const harmed: Record<typeof how, readonly RangePart[]> = {
          drop: [],
          double: [part, part],
          shift: [{ ...part, offset: offset + 1 }],
          shorten: [{ ...part, length: length - 1 }],
          renumber: [{ ...part, n: n + 1 }],
          rehead: [{ ...part, header: { offset: 0, length: header + 1 } }],
        };
        const after = [...all.slice(0, index), ...harmed[how], ...all.slice(index + 1)];
        expect(codesOf(whole, after).codes, how).to.not.deep.equal([]);
      }),
    );
  });

  it("compares the sum of a pipe's pieces with the bytes that came through it", () => {
    const piped = [input('-', 25, { source: { kind: 'pipe' }, records: 5 })];
    const piece = (n: number, size: number, records: number): PiecePart => ({
      n,
      kind: 'piece',
      input: 0,
      key: pieceKey(JOB, n),
      size,
      checksum: `sha256:${'0'.repeat(64)}`,
      header: 5,
      records,
    });
    const ofPipe = record(CSV, piped, 2);
    expect(codesOf(ofPipe, [piece(0, 15, 2), piece(1, 15, 3)]).codes).to.deep.equal([]);
    expect(codesOf(ofPipe, [piece(0, 15, 2), piece(1, 14, 3)]).codes).to.deep.equal(['byteGap']);
    expect(codesOf(ofPipe, [piece(0, 15, 2), piece(1, 15, 2)]).codes).to.deep.equal(['records']);
    expect(codesOf(ofPipe, [piece(0, 15, 2), { ...piece(1, 15, 3), key: pieceKey(JOB, 0) }]).codes).to.deep.equal([
      'partAltered',
    ]);
  });

  it('requires each whole input exactly once', () => {
    const files = record('{ by: file }', twoInputs, 2);
    const whole = (n: number, at: number): Part => ({ n, kind: 'whole', input: at });
    expect(codesOf(files, [whole(0, 0), whole(1, 1)])).to.deep.equal({ codes: [], bytes: 42 });
    expect(codesOf(files, [whole(0, 0), whole(1, 0)]).codes).to.deep.equal(['inputTwice', 'inputMissing']);
  });

  it('counts the items of a list, and recomputes the parameters of a range and a grid', () => {
    const list = record('{ by: list }', [input('names.txt', 9, { records: 2 })], 2);
    const item = (n: number): Part => ({ n, kind: 'item', input: 0, item: `name ${n}` });
    expect(codesOf(list, [item(0), item(1)]).codes).to.deep.equal([]);
    expect(codesOf({ ...list, parts: 1 }, [item(0)]).codes).to.deep.equal(['records']);

    const grid = record('{ by: grid, axes: { year: [2025, 2026], region: [EU, US] } }', [], 4);
    const cells = ['2025 EU', '2025 US', '2026 EU', '2026 US'].map((cell, n): Part => {
      const [year = '', region = ''] = cell.split(' ');
      return { n, kind: 'params', params: { year, region } };
    });
    expect(codesOf(grid, cells).codes).to.deep.equal([]);
    expect(
      codesOf(grid, [...cells.slice(0, 3), { n: 3, kind: 'params', params: { year: '2026', region: 'EU' } }]).codes,
    ).to.deep.equal(['partAltered']);
    expect(codesOf(grid, cells.slice(0, 3)).codes).to.deep.equal(['partMissing']);
  });

  /** One change to parts that are right: the codes of all findings; none: it is accepted. */
  type Row = readonly [what: string, job: JobRecord, parts: readonly Part[], codes: readonly string[]];
  const sha256 = `sha256:${'0'.repeat(64)}`;
  const cell = (n: number, params: Readonly<Record<string, string>>): Part => ({ n, kind: 'params', params });
  const cells = [cell(0, { a: 'x', b: 'z' }), cell(1, { a: 'y', b: 'z' })] as const;
  const axes = '{ by: grid, axes: { a: [x, y], b: [z] } }';
  const grid = record(axes, [], 2);
  const fixed = '{ by: records, length: 4, every: 2 }';
  const lines = '{ by: lines, every: 2 }';
  const counted = (part: RangePart, records: number): RangePart => ({ ...part, records });
  const whole = (n: number, at: number): Part => ({ n, kind: 'whole', input: at });
  const item = (n: number): Part => ({ n, kind: 'item', input: 0, item: `name ${n}` });
  const piece = (n: number, size: number, more: Partial<PiecePart> = {}): PiecePart => ({
    ...{ n, kind: 'piece', input: 0, key: pieceKey(JOB, n), size, checksum: sha256, header: 5, records: 2 },
    ...more,
  });
  const piped = (size: number, records: number) =>
    record(CSV, [input('-', size, { source: { kind: 'pipe' }, records })], 2);
  const oneInput = [input('a', 8)];
  const [first, second] = [ranges(0, 0, [4])[0], ranges(0, 0, [4, 4])[1]] as [RangePart, RangePart];
  const pair = [first, second];
  const pack = (n: number, at: number, files: number): Part => ({ n, kind: 'pack', input: at, files });
  const packed = (limits: string): JobRecord => {
    const inputs = [input('a', 5), input('b', 4), input('c', 3)];
    const made = { '{ bytes: 7 }': 2, '{ bytes: 3 }': 3 }[limits] ?? 2;
    return record(`{ by: file, pack: ${limits} }`, inputs, made);
  };
  const now = (job: JobRecord): JobRecord => ({ ...job, digestFormat: 2 });

  const TABLE: readonly Row[] = [
    ['all cells of a grid', grid, cells, []],
    ['a cell of a grid twice', grid, [cells[0], ...cells], ['partTwice']],
    ['a job that was accepted with one cell less', record(axes, [], 1), [cells[0]], ['partMissing']],
    ['a job that was accepted with one cell more', record(axes, [], 3), cells, ['partMissing', 'partMissing']],
    ['a surplus cell', grid, [...cells, cell(2, { a: 'y', b: 'z' })], ['partAltered', 'partExtra']],
    ['a cell without one of its values', grid, [cells[0], cell(1, { a: 'y' })], ['partAltered']],
    ['a cell with a value more', grid, [cells[0], cell(1, { a: 'y', b: 'z', c: '' })], ['partAltered']],
    ['packs of all files', packed('{ files: 2 }'), [pack(0, 0, 2), pack(1, 2, 1)], []],
    ['packs up to a size', packed('{ bytes: 7 }'), [pack(0, 0, 1), pack(1, 1, 2)], []],
    ['a pack of a large file', packed('{ bytes: 3 }'), [pack(0, 0, 1), pack(1, 1, 1), pack(2, 2, 1)], []],
    ['a pack of fewer files', packed('2'), [pack(0, 0, 1), pack(1, 1, 2)], ['partAltered']],
    ['a pack of more files', packed('2'), [pack(0, 0, 3)], ['partAltered', 'partMissing']],
    ['a file in no pack', packed('1'), [pack(0, 0, 1), pack(1, 2, 1)], ['inputMissing']],
    ['a last file in no pack', packed('2'), [pack(0, 0, 2)], ['partMissing', 'inputMissing']],
    ['a file in two packs', packed('2'), [pack(0, 0, 2), pack(1, 1, 2)], ['inputTwice']],
    ['a pack of files that the job lacks', packed('2'), [pack(0, 0, 2), pack(1, 2, 2)], ['partInput', 'inputMissing']],
    [
      'whole files where packs are made',
      packed('2'),
      [whole(0, 0), whole(1, 1)],
      ['partKind', 'partKind', 'inputMissing', 'inputMissing', 'inputMissing'],
    ],
    [
      'a pack where whole files are made',
      record('{ by: file }', oneInput, 1),
      [pack(0, 0, 1)],
      ['partKind', 'inputMissing'],
    ],

    ['a file among cells', { ...grid, inputs: [input('a', 0)] }, [cells[0], whole(1, 0)], ['partKind']],

    ['two ranges', record(lines, oneInput, 2), pair, []],
    ['a last part that is missing', record(lines, oneInput, 2), [first], ['partMissing', 'byteGap']],
    ['a surplus part', record(lines, oneInput, 1), pair, ['partExtra']],
    ['a byte between two ranges', record(lines, [input('a', 9)], 2), [first, { ...second, offset: 5 }], ['byteGap']],
    ['a byte in two ranges', record(lines, [input('a', 7)], 2), [first, { ...second, offset: 3 }], ['byteTwice']],
    ['a last byte that is in no range', record(lines, [input('a', 9)], 2), pair, ['byteGap']],
    ['a range that ends behind the input', record(lines, [input('a', 7)], 2), pair, ['byteTwice']],
    ['a range without a byte', record(lines, [input('a', 4)], 2), [first, { ...second, length: 0 }], ['partEmpty']],
    ['an input as a whole', record(lines, oneInput, 1), [whole(0, 0)], ['partKind', 'inputMissing']],
    ['an item of an input of lines', record(lines, oneInput, 1), [item(0)], ['partKind', 'inputMissing']],
    ['a piece after a range', record(lines, oneInput, 2), [first, piece(1, 4)], ['partKind', 'byteGap']],
    [
      'a range that belongs to an input before',
      record(lines, [input('a', 8), input('b', 4)], 3),
      [first, { ...first, n: 1, input: 1 }, { ...second, n: 2 }],
      ['byteGap', 'inputTwice'],
    ],
    ['a part of no input', record(lines, oneInput, 3), [...pair, { ...first, n: 2, input: 1 }], ['partInput']],
    ['a part of an input that has none', record(lines, [input('a', 4, { parts: 0 })], 1), [first], ['inputMissing']],

    [
      'as many records as were counted',
      record(lines, [input('a', 8, { records: 3 })], 2),
      [counted(first, 2), counted(second, 1)],
      [],
    ],
    [
      'a record more than were counted',
      record(lines, [input('a', 8, { records: 3 })], 2),
      [counted(first, 2), counted(second, 2)],
      ['records'],
    ],
    [
      'parts that begin with the record after the last one',
      record(lines, [input('a', 8), input('b', 4)], 3),
      [
        { ...counted(first, 2), first: 1 },
        { ...counted(second, 1), first: 3 },
        { ...counted(first, 1), n: 2, input: 1, first: 1 },
      ],
      [],
    ],
    [
      'a part that begins with another record',
      record(lines, oneInput, 2),
      [
        { ...counted(first, 2), first: 1 },
        { ...counted(second, 1), first: 2 },
      ],
      ['partRecords'],
    ],
    ['parts of which only one counts its records', record(lines, oneInput, 2), [first, { ...second, first: 9 }], []],
    ['more records than a part may have', record(lines, oneInput, 2), [counted(first, 3), second], ['partRecords']],
    ['records of a fixed length', record(fixed, oneInput, 2), pair, []],
    [
      'a range that ends within a record',
      record(fixed, [input('a', 8)], 2),
      ranges(0, 0, [5, 3]),
      ['partRecords', 'partRecords'],
    ],
    [
      'an item more than were counted',
      record('{ by: list }', [input('a', 9, { records: 1 })], 2),
      [item(0), item(1)],
      ['records'],
    ],

    [
      'a header from another place',
      record(CSV, [input('a', 12)], 2),
      ranges(0, 4, [4, 4]).map((part) => ({ ...part, header: { offset: 1, length: 4 } })),
      ['header', 'header'],
    ],
    [
      'a header that only the first part has',
      record(CSV, [input('a', 12)], 2),
      ranges(0, 4, [4, 4]).map(({ header, ...part }) => (part.n === 0 ? { ...part, header } : part)) as RangePart[],
      ['header'],
    ],
    ['pieces of a pipe', piped(25, 4), [piece(0, 15), piece(1, 15)], []],
    ['the size of what came through a pipe, removed', piped(0, 4), [piece(0, 15), piece(1, 15)], ['byteGap']],
    ['a byte more than came through a pipe', piped(25, 4), [piece(0, 15), piece(1, 16)], ['byteGap']],
    ['a piece without its header', piped(25, 4), [piece(0, 15), piece(1, 10, { header: 0 })], ['header']],
    ['a piece shorter than its header', piped(14, 4), [piece(0, 15), piece(1, 4)], ['header']],
    [
      'a piece with no checksum',
      piped(25, 4),
      [piece(0, 15), piece(1, 15, { checksum: 'sha256:0' })],
      ['pieceChecksum'],
    ],

    ['a file twice', record('{ by: file }', [input('a', 8)], 2), [whole(0, 0), whole(1, 0)], ['inputTwice']],
    ['a range of a file', record('{ by: file }', [input('a', 4)], 1), [first], ['partKind', 'inputMissing']],
    ['an empty file that no task gets', record('{ by: file }', [input('a', 0)], 0), [], ['inputMissing']],
    ['an input that is only a header', record(CSV, [input('a', 1024 * 1024)], 0), [], []],
    ['a header that is too long to be one', record(CSV, [input('a', 1024 * 1024 + 1)], 0), [], ['inputMissing']],
    ['a compressed input without content', record(lines, [input('a', 20, { compression: 'gzip' })], 0), [], []],
    [
      'a compressed input whose records are in no part',
      record(CSV, [input('a', 20, { compression: 'gzip', records: 1 })], 0),
      [],
      ['inputMissing'],
    ],
    ['an empty input that was said to be', now(record(CSV, [input('a', 0, { parts: 0 })], 0)), [], []],
    ['an empty input that was not said to be', now(record(CSV, [input('a', 0)], 0)), [], ['inputMissing']],
  ];
  for (const [what, job, parts, codes] of TABLE)
    it(`${codes.length === 0 ? 'accepts' : 'finds'} ${what}`, () => {
      expect(codesOf(job, parts).codes).to.deep.equal(codes);
    });

  it('counts the bytes of an input with its header once', () => {
    expect(codesOf(piped(25, 4), [piece(0, 15), piece(1, 15)]).bytes).to.equal(25);
  });

  it('counts what a sample contains, and claims no more', () => {
    const of = record(lines, [input('a', 80), input('b', 80), input('c', 80)], 2);
    const sample = { ...of, rehearsal: { of: { parts: 9 } } as Rehearsal };
    const findings = new Findings();
    const check = new PartsCheck({ record: sample, accepted: sample }, findings);
    for (const part of [first, { ...first, n: 1, input: 2 }]) check.add(part);
    check.finish();
    expect([check.inputs, check.bytes, findings.list()]).to.deep.equal([2, 8, []]);
  });

  it('accepts no part that lacks a field', () => {
    for (const part of parts) expect(parsePart(JSON.stringify(part))).to.deep.equal(part);
    for (const line of [
      '',
      'null',
      '[]',
      '{"n":0}',
      '{"n":-1,"kind":"whole","input":0}',
      '{"n":0,"kind":"range","input":0,"offset":0}',
    ])
      expect(parsePart(line), line).to.equal(null);
  });

  it('describes ten findings of each kind and counts the rest', () => {
    const findings = new Findings();
    for (let n = 0; n < 25; n += 1) findings.add('missing', `part ${n} is missing`);
    expect(findings.list()).to.have.length(11);
    expect(findings.list().at(-1)).to.deep.equal({ code: 'missing', message: 'and 15 more like these' });
  });
});

describe('the proof that each file of an explode is one part', () => {
  const expected: FilePart = {
    ...{ n: 1, kind: 'file', key: 'k', size: 3, checksum: `sha256:${'a'.repeat(64)}`, from: 'cut/0', name: 'x.txt' },
  };
  const compare = (found: object) => {
    const findings = new Findings();
    const next = new FilePartsCheck('use', findings).compare(JSON.stringify(found), 'line 1', expected);
    return [next, ...findings.list().map(({ code }) => code)];
  };
  const OTHERS: Partial<Record<keyof FilePart, unknown>> = {
    ...{ kind: 'whole', key: 'l', size: 2, checksum: `sha256:${'b'.repeat(64)}`, from: 'cut/1', name: 'y.txt' },
  };

  it('accepts the part of a file', () => {
    expect(compare(expected)).to.deep.equal(['both']);
  });

  for (const [field, value] of Object.entries(OTHERS))
    it(`finds another ${field}`, () => {
      expect(compare({ ...expected, [field]: value })).to.deep.equal(['both', 'partAltered']);
    });

  it('finds a part twice, and the one before a later one missing', () => {
    expect(compare({ ...expected, n: 0 })).to.deep.equal(['line', 'partTwice']);
    expect(compare({ ...expected, n: 2 })).to.deep.equal(['part', 'partMissing']);
  });
});
