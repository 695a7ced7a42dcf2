// Protects: many small files are few tasks, and each file is read once, as it was accepted, under its own name.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { jobKey } from '../../src/model/keys.ts';
import { LARGEST_PUT } from '../../src/ports/object-store.ts';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

/** Odd names, and equal base names in several directories. */
const FILES = ['a.csv', 'b b.csv', "it's.csv", '$(touch pwned).csv', '-n.csv', 'x/a.csv', 'x/y/a.csv', 'z.csv'];

describe('files packed into few tasks', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    for (const name of FILES) {
      mkdirSync(dirname(here.path(`in/${name}`)), { recursive: true });
      writeFileSync(here.path(`in/${name}`), `${name}\n`);
    }
  });
  const sorted = [...FILES].sort();

  const job = (pack: unknown, step: object, ...more: readonly object[]): void => {
    const input = { from: 'in', split: { by: 'file', pack } };
    const steps = [step, ...more].map((each, n) => ({ name: `s${n}`, ...each }));
    here.write('job.json', { name: 'packed', input, steps });
  };
  const outputOf = async (pack: unknown, step: object, ...more: readonly object[]): Promise<string> => {
    job(pack, step, ...more);
    return expectExit(await here.run(['run', 'job.json', '-o', '-', '--join', 'bytes', '-q'])).stdout;
  };
  const textOf = (names: readonly string[]): string => names.map((name) => `${name}\n`).join('');

  it('are joined on stdin, or as {input}, in the order of their names', async () => {
    expect(await outputOf(3, { run: ['cat'] })).to.equal(textOf(sorted));
    expect(await outputOf(3, { run: ['cat', '{input}'] })).to.equal(textOf(sorted));
    const count = { run: 'cat >/dev/null; echo "$BATCHCTL_INPUT_FILES"' };
    expect(await outputOf(3, count)).to.equal('3\n3\n2\n');
  });

  it('are joined whole, whatever their sizes', async () => {
    const sizes = [0, 700_000, 2 ** 20, 2 ** 20 + 1, 5];
    for (const [n, size] of sizes.entries()) here.write(`in/${n}`, String(n).repeat(size));
    const run = { run: ['sh', '-c', 'tr -dc 0-9 | fold -w 1 | uniq -c'] };
    const found = (await outputOf(100, run)).trim().split(/\s+/);
    expect(found).to.deep.equal(sizes.flatMap((size, n) => (size === 0 ? [] : [`${size}`, `${n}`])));
  });

  it('are a directory with their own names', async () => {
    const shown = { input: 'dir', run: 'cd "$BATCHCTL_INPUT"; find . -type f | LC_ALL=C sort' };
    const inDirectory = (names: readonly string[]): string => textOf(names.map((name) => `./${name}`).sort());
    expect(await outputOf(5, shown)).to.equal(inDirectory(sorted.slice(0, 5)) + inDirectory(sorted.slice(5)));
    const same = { input: 'dir', run: 'cd "$BATCHCTL_INPUT_DIR"; find . -type f -exec cat {} +' };
    expect((await outputOf(100, same)).split('\n').sort()).to.deep.equal(['', ...sorted]);
  });

  it('are a list with a path a line, which holds for all names', async () => {
    const read = 'while IFS= read -r path; do cat -- "$path"; done < "$BATCHCTL_INPUT"';
    expect(await outputOf(3, { input: 'list', run: read })).to.equal(textOf(sorted));
    expect(await outputOf(3, { input: 'list', run: ['xargs', '-d', '\\n', 'cat'] })).to.equal(textOf(sorted));
  });

  it('give one result a file with output: files', async () => {
    const run = `cd "$BATCHCTL_INPUT_DIR"; find . -type f | while IFS= read -r f; do
      mkdir -p "$BATCHCTL_OUTPUT_DIR/$(dirname -- "$f")"; tr a-z A-Z < "$f" > "$BATCHCTL_OUTPUT_DIR/$f"; done`;
    job({ files: 3, bytes: '1MB' }, { input: 'dir', output: 'files', run });
    expectExit(await here.run(['run', 'job.json', '-o', 'out/', '--name', '{name}', '-q']));
    for (const name of FILES)
      expect(readFileSync(here.path(`out/${name}`), 'utf8')).to.equal(`${name.toUpperCase()}\n`);
    const refused = await here.run(['run', 'job.json', '-o', 'other/', '--name', '{path}', '-q']);
    expect(refused.stderr).to.include("{path} can't be used, as a task takes several files");
    expectExit(refused, 2);
  });

  it('are packed by size, a large one alone, and the same way each time', async () => {
    here.write('in/m.csv', 'm'.repeat(100));
    const count = { input: 'dir', run: 'echo "$BATCHCTL_INPUT_FILES"' };
    const counts = await outputOf('30B', count);
    expect(counts.split('\n').filter(Boolean).map(Number)).to.satisfy((found: readonly number[]) => {
      return found.reduce((sum, n) => sum + n, 0) === FILES.length + 1 && found.length > 2;
    });
    expect(await outputOf({ bytes: 30 }, count)).to.equal(counts);
  });

  it('are named in the proof with their pins, and in tasks and failures as a pack', async () => {
    job(3, { input: 'dir', output: 'none', run: 'test ! -e "$BATCHCTL_INPUT/z.csv"', attempts: 1 });
    expectExit(await here.run(['run', 'job.json', '-q']), 5);
    const rows = jsonLinesOf(await here.run(['tasks', 'last', '--json']));
    expect(rows.map(({ input }) => input)).to.deep.equal([
      '3 files, in/$(touch pwned).csv to in/a.csv',
      '3 files, in/b b.csv to in/x/a.csv',
      '2 files, in/x/y/a.csv to in/z.csv',
    ]);
  });

  it('are proven, also from the evidence alone', async () => {
    job(3, { run: ['cat'] });
    expectExit(await here.run(['run', 'job.json', '-q']));
    const { stdout } = expectExit(await here.run(['verify', 'last', '--deep', '--json', '-o', 'evidence']));
    expect(JSON.parse(stdout).checked).to.include({ parts: 3, inputs: FILES.length });
    expectExit(await here.run(['verify', '--check', 'evidence']));
    const lines = readFileSync(here.path('evidence'), 'utf8').split('\n');
    const inputs = lines.filter((line) => line.startsWith('{"line":"input"')).map((line) => JSON.parse(line));
    expect(inputs.map(({ name }) => name)).to.deep.equal(sorted.map((name) => `in/${name}`));
    expect(inputs.map(({ source }) => source.pin.size)).to.deep.equal(sorted.map((name) => name.length + 1));
  });

  for (const input of ['stdin', 'dir', 'list'])
    it(`fail with the name of a file that was changed, with input: ${input}`, async () => {
      job(100, { input, run: ['true'], output: 'none' });
      expectExit(await here.run(['submit', 'job.json', '-q']));
      here.write('in/x/a.csv', 'other\n');
      expectExit(await here.run(['worker', '--until-empty']), 0);
      const [task] = jsonLinesOf(await here.run(['tasks', 'last', '--json']));
      expect(task).to.include({ reason: 'changed', exitCode: null });
      expect(task.error).to.include('in/x/a.csv has changed');
    });

  it('are refused before anything is written if their names do not suit a list, a directory or the limits', async () => {
    const refusal = async (pack: unknown, step: object, code = 3): Promise<string> => {
      job(pack, { run: ['true'], output: 'none', ...step });
      return expectExit(await here.run(['run', 'job.json', '-q']), code).stderr;
    };
    expect(await refusal(0, {})).to.include('a whole number from 1 to 100000');
    expect(await refusal({}, {})).to.include('requires files (a number), bytes (such as 256MB), or both');
    for (const pack of ['many', '500', '0MB', 0.5, '5 parsecs', { bytes: 0 }, { files: 0 }, { count: 1 }])
      await refusal(pack, {});
    expect(await refusal('many', {})).to.include('a number of files such as 500, a size such as 256MB');
    here.write('in/line\nend', 'x\n');
    expect(await refusal(3, { input: 'list' })).to.include('has a line end in its name');
    expect(jsonLinesOf(await here.run(['jobs', '--json']))).to.deep.equal([]);
    expectExit(await here.run(['run', 'job.json', '--input', 'in/z.csv', '-q']));
    here.write('job.json', {
      name: 'packed',
      input: { from: 'in/*.csv', split: { by: 'file' } },
      steps: [{ name: 's', run: ['true'], input: 'dir' }],
    });
    expect(expectExit(await here.run(['run', 'job.json', '-q']), 3).stderr).to.include(
      'found dir, which is only for a gather, or the first step of a split with pack',
    );
  });

  it('are accepted and proven if their names alone need more than one put', async () => {
    const long = Array.from({ length: 14 }, (_, n) => String(n).padEnd(220, 'x')).join('/');
    const count = 11_000;
    mkdirSync(here.path(`in/${long}`), { recursive: true });
    for (let n = 0; n < count; n += 1) writeFileSync(here.path(`in/${long}/${n}`), '');
    job(5_000, { run: 'cat >/dev/null; echo "$BATCHCTL_INPUT_FILES"' });
    const { stdout } = expectExit(await here.run(['run', 'job.json', '-o', '-', '-q']));
    expect(stdout).to.equal('5000\n5000\n1008\n');
    const { inputs } = jsonOf(await here.run(['verify', 'last', '--json'])).checked;
    expect(inputs).to.equal(count + FILES.length);
    const [{ job: id }] = jsonLinesOf(await here.run(['jobs', '--json']));
    const { store } = await here.platform();
    expect((await store.head(jobKey(id)))?.size).to.be.greaterThan(LARGEST_PUT);
  }).timeout(120_000);

  it('are counted in a plan: a request for each', async () => {
    job(3, { run: ['cat'] });
    const packed = jsonOf(await here.run(['plan', 'job.json', '--json']));
    job(undefined, { run: ['cat'] });
    const single = jsonOf(await here.run(['plan', 'job.json', '--json']));
    expect([packed.parts, single.parts]).to.deep.equal([3, FILES.length]);
    // Five tasks fewer, each with three puts; the files are read all the same.
    expect(single.requests.store - packed.requests.store).to.equal((FILES.length - 3) * 3);
  });

  it('are packed on the command line, too', async () => {
    const count = ['--', 'sh', '-c', 'cat >/dev/null; echo "$BATCHCTL_INPUT_FILES"'];
    const run = async (split: string): Promise<string> =>
      expectExit(await here.run(['run', '--input', 'in', '--split', split, '-o', '-', '-q', ...count])).stdout;
    expect(await run('file:3')).to.equal('3\n3\n2\n');
    expect(await run('file:1MB')).to.equal('8\n');
    expect(await run('file:1MB:7')).to.equal('7\n1\n');
  });

  it('are reproduced with a list of the files that are there', async () => {
    job(3, { input: 'list', run: 'xargs -d "\\n" cat' });
    expectExit(await here.run(['run', 'job.json', '-q']));
    const again = expectExit(await here.run(['reproduce', 'last', 's0/1', '-o', 'again', '--run']));
    expect(again.stdout).to.include(', as recorded');
    expect(readFileSync(here.path('again/output'), 'utf8')).to.equal(textOf(sorted.slice(3, 6)));
  });
});
