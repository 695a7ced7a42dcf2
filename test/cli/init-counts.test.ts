// Protects: the job that `init --from FILE` writes prints the number of records of the file, whatever its line ends are.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const rows = (count: number, row: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => row(n)).join('');

const FILES: readonly (readonly [what: string, name: string, text: string | Uint8Array, records: number])[] = [
  ['a CSV', 'a.csv', 'id,amount\n1,2.50\n2,3.75\n', 2],
  ['a CSV without a final line end', 'a.csv', 'id,amount\n1,2.50\n2,3.75', 2],
  ['a CSV with quoted line ends', 'a.csv', 'id,note\n1,"a\nb ""c\n"""\n2,"\n\n"\n3,x', 3],
  ['a CSV whose header has a quoted line end', 'a.csv', 'id,"note\nof the day"\n1,a\n2,b\n', 2],
  ['a CSV with blank lines', 'a.csv', 'id,amount\n\n1,2.50\n\n\n2,3.75\n\n', 2],
  ['a CSV that begins with blank lines', 'a.csv', '\n\nid,amount\n1,2.50\n2,3.75\n', 2],
  ['a CSV with Windows line ends', 'a.csv', 'id,amount\r\n1,2.50\r\n\r\n2,3.75', 2],
  ['a CSV with Windows line ends in quotes', 'a.csv', 'id,note\r\n1,"a\r\n\r\nb"\r\n2,"c"', 2],
  ['a CSV with a byte order mark', 'a.csv', '\uFEFFid,amount\n1,2.50\n2,3.75', 2],
  ['a CSV with only a header', 'a.csv', 'id,amount\n', 0],
  ['a CSV with only a header, without a line end', 'a.csv', 'id,amount', 0],
  ['a CSV without a header', 'a.csv', '1,2.50\n2,3.75\n\n3,"a\nb"', 3],
  ['a CSV with apostrophes as quotes', 'a.csv', "id,note\n1,'a\nb'\n2,'c,d'", 2],
  [
    'a CSV in many parts',
    'a.csv',
    `id,note\n${rows(4_000, (n) => `${n},"x\ny ""${n}"""\n${n % 7 === 0 ? '\n' : ''}`)}9,z`,
    4_001,
  ],
  ['a CSV with unit separators', 'a.csv', 'id\x1famount\n1\x1f"2\n5"\n2\x1f3', 2],
  ['a CSV with record separators', 'a.csv', 'id\x1eamount\n1\x1e2\n2\x1e3', 2],
  ['a packed CSV', 'a.csv.gz', gzipSync(`id,note\n${rows(4_000, (n) => `${n},"x\ny"\n`)}9,z`), 4_001],
  ['JSON Lines without a final line end', 'a.jsonl', '{"a":1}\n\n{"a":2}\r\n\r\n{"a":3}', 3],
  ['lines without a final line end', 'a.txt', 'one\n\nthree', 3],
  ['an empty file', 'a.txt', '', 0],
];

describe('the job that init --from writes', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  for (const [what, name, text, records] of FILES) {
    it(`counts ${what}`, async () => {
      writeFileSync(workspace.path(name), text);
      const { stderr } = await workspace.runSuccessfully('init', '--from', name);
      const next = /^next: batchctl (.*)$/m.exec(stderr)?.[1]?.split(' ') ?? [];
      const { stdout } = await workspace.runSuccessfully(...next, '--quiet');
      expect(stdout).to.equal(`${records}\n`);
    });
  }

  it('offers to make tasks of rows that look like parameters, by a command that works as it stands', async () => {
    const offered = async (name: string, text: string): Promise<string | null> => {
      writeFileSync(workspace.path(name), text);
      rmSync(workspace.path('job.yaml'), { force: true });
      await workspace.runSuccessfully('init', '--from', name);
      const job = readFileSync(workspace.path('job.yaml'), 'utf8');
      return /^ {2}# if its (\d+ rows) .*\n {2}# batchctl (run .*)$/m.exec(job)?.slice(1).join(': ') ?? null;
    };
    const command = "run --input 'my params.csv' --split table -- echo lr={lr} seed={seed}";
    expect(await offered('my params.csv', 'lr,seed\n0.1,1\n1e-5,2\n')).to.equal(`2 rows: ${command}`);
    const argv = [
      'run',
      '--input',
      'my params.csv',
      '--split',
      'table',
      '-o',
      '-',
      '-q',
      '--',
      'echo',
      '{lr}',
      '{seed}',
    ];
    expect((await workspace.runSuccessfully(...argv)).stdout).to.equal('0.1 1\n1e-5 2\n');
    const two = '2 rows: run --input a.tsv --split table -- echo lr={lr}';
    expect(await offered('a.tsv', 'lr\tseed\n0.1\t1\n0.2\t1\n')).to.equal(`${two} seed={seed}`);
    expect(await offered('a.jsonl', '{"lr":0.1}\n{"lr":0.2}\n')).to.equal(two.replace('tsv', 'jsonl'));
    for (const [name, text] of [
      ['prose.csv', 'id,note\n1,paid late\n2,paid\n'],
      ['doubled.csv', 'lr,seed\n0.1,1\n0.1,1\n'],
      ['reserved.csv', 'index,seed\n0.1,1\n0.2,1\n'],
      ['ragged.csv', 'lr,seed\n0.1,1\n0.2\n'],
      ['unnamed.csv', '0.1,1\n0.2,1\n'],
      ['single.csv', 'lr,seed\n0.1,1\n'],
      ['long.csv', `lr\n${rows(1_001, (n) => `${n}\n`)}`],
    ] as const) {
      expect(await offered(name, text), name).to.equal(null);
    }
  });
});
