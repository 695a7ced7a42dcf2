// Protects: what docs/proof.md says about verify and its evidence file is true: a sentence a test, where no other test has it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { installed } from '../support/run/lacking.ts';
import { Workspace } from '../support/workspace.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/proof.md'), 'utf8');
const TASKS = 200;
const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** The commands of a section: its indented lines. */
function commandsOf(heading: string): readonly string[] {
  const [, rest = ''] = PAGE.split(`## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  return [...section.matchAll(/^ {4}(.+)$/gm)].map(([, command = '']) => command);
}

describe('docs/proof.md', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  const rows = Array.from({ length: TASKS }, (_, n) => `${n},${n}.25\n`).join('');
  let job: string;

  before(async () => {
    workspace.write('claims.csv', rows);
    workspace.write('job.json', {
      name: 'claims',
      input: { from: 'claims.csv', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'price', run: `awk -F, '{ print "amount", $2 >>ENVIRON["BATCHCTL_COUNTERS"]; print $2 }'` }],
    });
    ({ job } = jsonOf(await workspace.run(['run', 'job.json', '--json'])));
    expectExit(await workspace.run(['verify', job, '--deep', '-o', 'evidence.ndjson']));
  });

  it('verify reads neither the ledger nor the queue', async () => {
    const before = jsonOf(await workspace.run(['verify', job, '--json']));
    for (const name of readdirSync(workspace.path('.batchctl')).filter((each) => /\.db/.test(each)))
      rmSync(workspace.path('.batchctl', name));
    for (const name of ['ledger.db', 'queue.db']) writeFileSync(workspace.path('.batchctl', name), 'no database');
    expect(jsonOf(expectExit(await workspace.run(['verify', job, '--json'])))).to.deep.equal(before);
    for (const name of ['ledger.db', 'queue.db']) rmSync(workspace.path('.batchctl', name));
  });

  it('the evidence is JSON Lines whatever its name ends in, of about 400 bytes a task and step', async () => {
    expectExit(await workspace.run(['verify', job, '--deep', '-o', 'evidence.txt']));
    const text = readFileSync(workspace.path('evidence.txt'), 'utf8');
    for (const line of text.trimEnd().split('\n')) expect(JSON.parse(line)).to.have.property('line');
    expect(text.length / TASKS).to.be.within(350, 500);
  });

  it('the evidence has its name only when it is complete, and is not written for a job that is open', async () => {
    const open = await workspace.submit();
    expectExit(await workspace.run(['verify', open, '-o', 'open.ndjson']), 6);
    expectExit(await workspace.run(['cancel', open, '--yes']));
    const names = readdirSync(workspace.dir).filter((name) => /open|evidence/.test(name));
    expect(names.sort()).to.deep.equal(['evidence.ndjson', 'evidence.txt']);
  });

  describe('checks without batchctl', () => {
    const commands = commandsOf('Check it without batchctl');
    const run = (command: string): string =>
      execFileSync('sh', ['-c', command], { cwd: workspace.dir, encoding: 'utf8' }).trim();

    it('the seal: both commands print the same digest', () => {
      const [lines = '', seal = ''] = commands;
      const [digest = ''] = run(lines).split(' ');
      expect(digest).to.match(/^[0-9a-f]{64}$/);
      expect(run(seal)).to.include(digest);
    });

    it("a sum, a journal entry's checksum, and that of an input", () => {
      installed('jq');
      installed('bc');
      const [, , sum = '', entry = '', input = ''] = commands;
      expect(Number(run(sum))).to.equal((TASKS * (TASKS - 1)) / 2 + TASKS * 0.25);
      const lines = readFileSync(workspace.path('evidence.ndjson'), 'utf8').trimEnd().split('\n');
      const found = lines.map((line) => JSON.parse(line));
      // The page asks for decision 3; this job has fewer.
      const last = found.findLast(({ line }) => line === 'decision');
      expect(entry).to.include('.n==3');
      expect(`sha256:${run(entry.replace('.n==3', `.n==${last.n}`)).split(' ')[0]}`).to.equal(last.checksum);
      expect(`sha256:${run(input).split(' ')[0]}`).to.equal(sha256(rows));
      expect(found.find(({ line }) => line === 'input').checksum).to.equal(sha256(rows));
    });
  });
});
