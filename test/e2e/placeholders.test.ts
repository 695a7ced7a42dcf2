// Protects: a command gets its own input, its name and its number in its arguments, and no file name runs as code.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

const HOSTILE = [
  'a b.csv',
  `it's "q".csv.gz`,
  '$(touch pwned).txt',
  '`touch pwned`;touch pwned',
  'new\nline.txt',
  '-n.x',
];

describe('placeholders in a command', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    mkdirSync(here.path('in'));
  });

  /** What the job prints, outputs joined in task order. */
  const outputOf = async (input: object, ...steps: readonly object[]): Promise<string> => {
    here.write('job.json', { name: 'named', input, steps: steps.map((step, n) => ({ name: `s${n}`, ...step })) });
    const { stdout, stderr } = expectExit(await here.run(['run', 'job.json', '-o', '-', '--join', 'bytes', '--quiet']));
    expect(stderr).not.to.include('placeholder');
    return stdout;
  };
  const SHOW = ['printf', '%s|', '{name}', '{stem}', '{index}'];

  it('names files with spaces, quotes, commands and line ends as they are, in arguments and in a shell', async () => {
    for (const name of HOSTILE) here.write(`in/${name}`, `of ${name}\n`);
    const stems = ['a b', `it's "q"`, '$(touch pwned)', '`touch pwned`;touch pwned', 'new\nline', '-n'];
    const order = [...HOSTILE].sort();
    const expected = order.map((name, n) => `${name}|${stems[HOSTILE.indexOf(name)]}|${n}|of ${name}\n`).join('');
    const text =
      'printf "%s|%s|%s|" "$BATCHCTL_INPUT_BASENAME" "$BATCHCTL_INPUT_STEM" "$BATCHCTL_TASK"; cat "$BATCHCTL_INPUT"';
    const list = [
      'sh',
      '-c',
      'printf "%s|%s|%s|" "$1" "$2" "$3"; cat "$4"',
      'sh',
      '{name}',
      '{stem}',
      '{index}',
      '{input}',
    ];
    const input = { from: 'in', split: { by: 'file' } };
    expect(await outputOf(input, { run: list })).to.equal(expected);
    expect(await outputOf(input, { run: text, input: 'file' })).to.equal(expected);
    expect(existsSync(here.path('pwned'))).to.equal(false);
  });

  it('gives a command with {input} the file, and nothing on stdin', async () => {
    here.write('a.txt', 'one\n');
    const both = ['sh', '-c', 'cat; cat "$1"; test "$1" = "$BATCHCTL_INPUT"', 'sh', '{input}'];
    expect(await outputOf({ from: 'a.txt', split: { by: 'file' } }, { run: both })).to.equal('one\n');
  });

  it('numbers the parts of an input, and names all by it', async () => {
    here.write('a.txt', '1\n2\n3\n');
    here.write('b.txt', '4\n');
    const lines = { from: ['a.txt', 'b.txt'], split: { by: 'lines', every: 2 } };
    expect(await outputOf(lines, { run: SHOW })).to.equal('a.txt|a|0|a.txt|a|1|b.txt|b|2|');
    const records = { from: 'a.txt', split: { by: 'records', length: 2, every: 2 } };
    expect(await outputOf(records, { run: ['head', '-c', '1', '{input}'] })).to.equal('13');
    const csv = { from: 'a.txt', split: { by: 'csv', every: 1, header: true } };
    expect(await outputOf(csv, { run: ['paste', '-sd', '{index}', '{input}'] })).to.equal('102\n113\n');
  });

  it('keeps the meaning of {index} in a range, of {item} in a list, and of a parameter of the job', async () => {
    const range = { split: { by: 'range', from: 5, to: 6 } };
    expect(await outputOf(range, { run: ['echo', '{index}'] }, { run: ['cat', '{input}'] })).to.equal('5\n6\n');
    const text = { run: 'echo "$BATCHCTL_INDEX $BATCHCTL_PARAM_INDEX $BATCHCTL_TASK"; cat' };
    const echo = { run: ['sh', '-c', 'echo "$1 $BATCHCTL_INDEX"; cat "$2"', 'sh', '{index}', '{input}'] };
    expect(await outputOf(range, text, echo, text)).to.equal('5 5 0\n5 5\n5 5 0\n5\n6 6 1\n6 6\n6 6 1\n6\n');
    expect(await outputOf(range, { run: ['true'] }, { gather: true, run: ['echo', '{index}'] })).to.equal('0\n');
    here.write('job.json', { name: 'named', input: range, steps: [{ name: 's', run: ['echo', '{index}'] }] });
    expectExit(await here.run(['run', 'job.json', '-o', 'out/', '--name', 'n{index}', '--quiet']));
    expect(readFileSync(here.path('out/n5'), 'utf8') + readFileSync(here.path('out/n6'), 'utf8')).to.equal('5\n6\n');
    here.write('names.txt', 'x y\nz\n');
    const list = { from: 'names.txt', split: { by: 'list' } };
    expect(await outputOf(list, { run: ['printf', '%s|', '{item}', '{index}', '{stem}'] })).to.equal(
      'x y|0|names|z|1|names|',
    );
    const grid = { split: { by: 'grid', axes: { name: ['p', 'q'], input: ['r'] } } };
    expect(await outputOf(grid, { run: ['echo', '{name}', '{input}', '{index}'] })).to.equal('p r 0\nq r 1\n');
  });

  it('gives {input} the extension of its input, as the command gets it', async () => {
    const shown = { run: ['sh', '-c', 'basename "$1"; basename "$BATCHCTL_INPUT"', 'sh', '{input}'] };
    const packed = gzipSync('a\n');
    writeFileSync(here.path('in/claims.csv.gz'), packed);
    const whole = { from: 'in/claims.csv.gz', split: { by: 'file' } };
    expect(await outputOf(whole, shown)).to.equal('in.csv.gz\nin.csv.gz\n');
    const cut = { from: 'in/claims.csv.gz', split: { by: 'lines', every: 1 } };
    expect(await outputOf(cut, shown)).to.equal('in.csv\nin.csv\n');
    expect(await outputOf(cut, { run: 'basename "$BATCHCTL_INPUT"', input: 'file' })).to.equal('in.csv\n');
    expect(await outputOf(cut, { run: ['cat'] }, shown)).to.equal('in\nin\n');
    here.write('in/FILM.MP4', 'x');
    expect(await outputOf({ from: 'in/FILM.MP4', split: { by: 'records', length: 1, every: 1 } }, shown)).to.equal(
      'in.MP4\nin.MP4\n',
    );
    here.write('names.txt', 'x\n');
    expect(await outputOf({ from: 'names.txt', split: { by: 'list' } }, shown)).to.equal('in\nin\n');
  });

  it('gives {input} the extension that the step before gave its output', async () => {
    const shown = { run: ['sh', '-c', 'basename "$1"; basename "$BATCHCTL_INPUT"; cat "$1"', 'sh', '{input}'] };
    const copy = { run: ['cp', '{input}', '{output}'] };
    here.write('in/FILM.MP4', 'x\n');
    const film = { from: 'in/FILM.MP4', split: { by: 'file' } };
    expect(await outputOf(film, { ...copy, extension: '.mkv' }, shown)).to.equal('in.mkv\nin.mkv\nx\n');
    expect(await outputOf(film, { ...copy, extension: '.mkv' }, copy, shown)).to.equal('in.mkv\nin.mkv\nx\n');
    expect(await outputOf(film, copy, copy, shown)).to.equal('in.MP4\nin.MP4\nx\n');
    expect(await outputOf(film, { ...copy, extension: '.a.b' }, { ...copy, extension: '.c' }, shown)).to.equal(
      'in.c\nin.c\nx\n',
    );
    const named = { run: 'basename "$BATCHCTL_OUTPUT" > "$BATCHCTL_OUTPUT"', output: 'file' };
    expect(await outputOf(film, { ...copy, extension: '.mkv' }, named)).to.equal('output.mkv\n');
    expect(await outputOf(film, { ...copy, extension: '.mkv' }, { run: ['cat', '{input}'] }, shown)).to.equal(
      'in\nin\nx\n',
    );
    const stdin = { run: 'test -z "$BATCHCTL_INPUT" && cat' };
    expect(await outputOf(film, { ...copy, extension: '.mkv' }, stdin)).to.equal('x\n');
    const lines = { from: 'in/FILM.MP4', split: { by: 'lines', every: 1 } };
    expect(await outputOf(lines, copy, shown)).to.equal('in\nin\nx\n');
    const gather = { ...shown, gather: true };
    expect(await outputOf(film, copy, gather, shown)).to.equal('in\nin\nin\nin\nx\n');
  });

  it('knows the extension of exploded files in later steps', async () => {
    const files = 'echo 1 > "$BATCHCTL_OUTPUT_DIR/x.csv"; echo 2 > "$BATCHCTL_OUTPUT_DIR/y"';
    const explode = { run: files, output: 'files', explode: true };
    const range = { split: { by: 'range', from: 1, to: 1 } };
    const copy = { run: ['cp', '{input}', '{output}'] };
    expect(await outputOf(range, explode, copy, { run: ['basename', '{input}'] })).to.equal('in.csv\nin\n');
  });

  it('gives each {output} the same path', async () => {
    const twice = ['sh', '-c', 'echo a > "$1"; echo b >> "$2"; test "$1" = "$2"', 'sh', '{output}', '{output}'];
    expect(await outputOf({ split: { by: 'range', from: 1, to: 1 } }, { run: twice })).to.equal('a\nb\n');
  });

  it('knows the name in later steps of a chain, and the input of a gather', async () => {
    here.write('in/a.txt', 'one\n');
    here.write('in/b.txt', 'two\n');
    const input = { from: 'in/*.txt', split: { by: 'file' } };
    const cat = { run: ['cat', '{input}'] };
    const later = { run: ['sh', '-c', 'echo "$1 $2" | cat - "$3"', 'sh', '{name}', '{index}', '{input}'] };
    const text = { run: 'echo "$BATCHCTL_INPUT_STEM"; cat' };
    expect(await outputOf(input, cat, later, text)).to.equal('a\na.txt 0\none\nb\nb.txt 1\ntwo\n');
    expect(await outputOf(input, cat, { gather: true, run: ['tail', '-n', '1', '{input}'] })).to.equal('two\n');
    const inDirectory = { gather: true, input: 'dir', run: ['ls', '{input}'] };
    expect(await outputOf(input, cat, inDirectory)).to.equal('000000000\n000000001\n');
  });

  it('names tasks after an explode by their files', async () => {
    const files =
      'mkdir "$BATCHCTL_OUTPUT_DIR/d"; echo 1 > "$BATCHCTL_OUTPUT_DIR/d/x 1.csv"; echo 2 > "$BATCHCTL_OUTPUT_DIR/y"';
    const explode = { run: files, output: 'files', explode: true };
    const range = { split: { by: 'range', from: 1, to: 1 } };
    expect(await outputOf(range, explode, { run: ['cat'] }, { run: SHOW })).to.equal('x 1.csv|x 1|0|y|y|1|');
  });
});

describe('an unknown word in braces in a command', () => {
  const here = forEachTest(() => Workspace.withLongLeases());

  const warnings = async (run: unknown, more: object = {}, command = 'plan'): Promise<string> => {
    here.write('a.txt', 'one\n');
    const job = {
      name: 'odd',
      input: { from: 'a.txt', split: { by: 'file' } },
      steps: [{ name: 'map', run }],
      ...more,
    };
    here.write('job.json', job);
    const { stderr } = expectExit(await here.run([command, 'job.json', ...(command === 'plan' ? [] : ['--quiet'])]));
    return stderr;
  };
  const TYPO = 'warning: step map: {nmae} is not a placeholder, so the program gets that text; did you mean {name}?';

  for (const command of ['plan', 'submit', 'run']) {
    it(`is a warning of ${command}`, async () => {
      expect(await warnings(['echo', '{nmae}'], {}, command)).to.include(TYPO);
    });
  }

  it('is not what other languages write', async () => {
    const fine = ['{print}', `\${HOME}`, '%{http_code}', '{{Names}}', '{{name}', '{}', '{1}', '{a,b}'];
    for (const run of [
      ['echo', ...fine.slice(1)],
      ['awk', fine[0]],
      ['/usr/bin/jq', '{id}'],
      ['sh', '-ec', 'f() {id}; f'],
    ]) {
      expect(await warnings(run)).not.to.include('step map: {');
    }
  });

  it('is replaced with a warning in code of another language, which reads the value as code', async () => {
    expect(await warnings(['python3', '-c', 'print("{name}", {index}, "{other}")'])).to.include(
      'step map: {name} is replaced in code, so python3 reads its value as code, too; read the variable BATCHCTL_INPUT_BASENAME there instead',
    );
    expect(await warnings(['node', '-e', '1', '{name}'])).not.to.include('is replaced in code');
  });

  it('is also a word that this step has no value for', async () => {
    const range = { input: { split: { by: 'range', from: 1, to: 2 } } };
    expect(await warnings(['echo', '{stem}'], range))
      .to.include('{stem} has no value here')
      .and.include('a range has no input files');
    const gather = {
      steps: [
        { name: 'map', run: ['cat'] },
        { name: 'all', gather: true, run: ['echo', '{name}', '{item}'] },
      ],
    };
    const said = await warnings([], gather);
    expect(said)
      .to.include('step all: {name} has no value here')
      .and.include('after a gather there is no single input');
    expect(said).to.include('only the split list has it');
    expect(await warnings(['echo', '{period}'])).to.include('set it with --period P');
  });

  it('is a placeholder in the text of a shell, where nothing is replaced', async () => {
    expect(await warnings('wc -l {input}')).to.include(
      '{input} is not replaced in the text of a shell; use "$BATCHCTL_INPUT", and give the step input: file',
    );
    expect(await warnings('echo {output} {index}'))
      .to.include('use "$BATCHCTL_OUTPUT", and give the step output: file')
      .and.include('use "$BATCHCTL_INDEX"');
    expect(await warnings('echo {region}', { params: { region: 'EU' } })).to.include('use "$BATCHCTL_PARAM_REGION"');
    expect(await warnings(`awk '{name}' "\${input}" {other}`)).not.to.include('is not replaced');
  });
});
