// Protects: a command line that run would misread or partly ignore is refused before anything is written, with what to type.
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('the words of run', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    here.write('x.txt', '1\n2\n');
    here.write('job.json', rangeJob('count', 2, { name: 'map', run: ['echo', '{index}'] }));
  });

  /** What run says to words that it refuses: the error, and the hint. Nothing is written. */
  async function refusalOf(words: readonly string[], code = 2): Promise<readonly string[]> {
    const { stderr } = expectExit(await here.run(['run', ...words]), code);
    expect(existsSync(here.path('.batchctl', 'store', 'jobs'))).to.equal(false);
    const lines = stderr.split('\n').filter((line) => /^(error|hint): /.test(line));
    return lines.map((line) => line.replaceAll(here.dir, 'HERE'));
  }

  describe('with a pattern that the shell expanded', () => {
    beforeEach(() => {
      mkdirSync(here.path('in'));
      for (const name of ['1.csv', '2.csv', '3.csv', '4.csv', '5.txt']) here.write(`in/${name}`, '1\n');
    });
    const SPLIT = ['--split', 'lines:1', '--', 'cat'];
    const IN = ['in/1.csv', 'in/2.csv', 'in/3.csv', 'in/4.csv'];
    for (const { words, found, pattern } of [
      { words: ['--input', ...IN, ...SPLIT], found: '4: in/1.csv, in/2.csv, in/3.csv, ...', pattern: 'in/*.csv' },
      { words: ['--input', ...IN.slice(0, 2), ...SPLIT], found: '2: in/1.csv, in/2.csv', pattern: 'in/*.csv' },
      { words: ['--input', ...IN.slice(0, 2), '--split', 'file'], found: '2: in/1.csv, in/2.csv', pattern: 'in/*.csv' },
      { words: ['job.json', '--input', ...IN.slice(0, 2)], found: '2: in/1.csv, in/2.csv', pattern: 'in/*.csv' },
      { words: ['--input', 'in/1.csv', 'in/5.txt', ...SPLIT], found: '2: in/1.csv, in/5.txt', pattern: 'PATTERN' },
    ]) {
      it(`say to quote it: ${words.join(' ')}`, async () => {
        expect(await refusalOf(words)).to.deep.equal([
          `error: expected one value after --input, found ${found}`,
          `hint: a shell expands a pattern that is not quoted: --input '${pattern}'; or write --input before each file`,
        ]);
      });
    }

    it('is said by submit and plan, too', async () => {
      for (const verb of ['submit', 'plan']) {
        const { stderr } = expectExit(await here.run([verb, 'job.json', '--input', ...IN.slice(0, 2)]), 2);
        expect(stderr, verb).to.include('expected one value after --input, found 2');
      }
    });

    it('say to write --input where it is missing after a job file', async () => {
      for (const { words, found, hint } of [
        {
          words: IN,
          found: 'in/1.csv, in/2.csv, in/3.csv, ...',
          hint: "write --input 'in/*.csv' for all such files, or --input before each file",
        },
        { words: ['in/1.csv'], found: 'in/1.csv', hint: "write --input 'in/1.csv'" },
      ]) {
        expect(await refusalOf(['job.json', ...words, '-o', '-'])).to.deep.equal([
          `error: expected --input before an input, found ${found} after job.json`,
          `hint: ${hint}`,
        ]);
      }
    });

    it('is not seen in words that are no files, nor in a second job file', async () => {
      expect((await refusalOf(['--input', 'in/1.csv', 'in/9.csv', ...SPLIT]))[0]).not.to.include('expected one value');
      expect((await refusalOf(['job.json', 'in/9.csv']))[0]).to.include('too many arguments');
      expect((await refusalOf(['--input', 'in/1.csv', 'job.json', ...SPLIT]))[0]).not.to.include('expected one value');
    });

    it('is not confused with a job file after an input', async () => {
      expectExit(await here.run(['run', '--input', 'in/1.csv', 'job.json', '--dry-run']));
    });
  });

  const INPUT = ['--input', 'x.txt', '--split', 'lines:1'];
  const WITHOUT: readonly (readonly [words: readonly string[], program: string, type: string])[] = [
    [[...INPUT, 'grep', '-c', '1'], 'grep', '--input x.txt --split lines:1 -- grep -c 1'],
    [[...INPUT, 'sort', '--reverse'], 'sort', '--input x.txt --split lines:1 -- sort --reverse'],
    [['--input=x.txt', 'tr', 'a b', 'c'], 'tr', "--input=x.txt -- tr 'a b' c"],
    [
      ['-o', 'out/', ...INPUT, './x.sh', '{input}'],
      './x.sh',
      "-o out/ --input x.txt --split lines:1 -- ./x.sh '{input}'",
    ],
    [[...INPUT, 'cat'], 'cat', '... -- cat'],
  ];
  for (const [words, program, type] of WITHOUT) {
    it(`need -- before the command in ${words.join(' ')}`, async () => {
      expect(await refusalOf(words)).to.deep.equal([
        `error: expected -- before the command, found ${program} without it`,
        `hint: batchctl run ${type}`,
      ]);
    });
  }

  it('are no command if they are a job file, or if an option before them is wrong', async () => {
    expect((await refusalOf(['job.json', '--splt', 'x']))[0]).to.equal("error: unknown option '--splt'");
    expect((await refusalOf(['nosuch.yaml', '--splt', 'x']))[0]).to.equal("error: unknown option '--splt'");
    expect((await refusalOf(['--inptu', 'x.txt', 'cat', '-n']))[0]).to.equal("error: unknown option '--inptu'");
    expect((await refusalOf(['nosuch.yaml'], 4))[0]).to.include('no job file');
    expect((await refusalOf(['cat'], 4))[0]).to.include('no job file');
  });

  it('name the options that a job file would make run ignore', async () => {
    expect(await refusalOf(['job.json', '--split', 'lines:1'])).to.deep.equal([
      'error: --split: expected only with a command after --, found job.json',
      'hint: leave them out, and write input.split and steps into job.json',
    ]);
    const both = ['job.json', '--gather', 'cat', '--save-job', 'j.yaml', '-o', '-'];
    expect((await refusalOf(both))[0]).to.include('error: --gather, --save-job: expected only with a command');
    expect((await refusalOf(['job.json', '--', 'cat']))[0]).to.include('mutually exclusive');
    expect(existsSync(here.path('j.yaml'))).to.equal(false);
  });

  it('name the options that an accepted job would make run ignore', async () => {
    const job = 'count-20261130-0600-abcde';
    const given = ['--set', 'a=b', '--run-key', 'k', '--label', 'x=y', '--at', 'in 6h', '--allow-empty'];
    expect(await refusalOf([job, ...given, '--split', 'lines:1'])).to.deep.equal([
      `error: --split, --set, --run-key, --label, --allow-empty, --at: the job ${job} is already accepted, and they would be ignored`,
      `hint: leave them out: batchctl run ${job}; batchctl adjust changes limits`,
    ]);
    expect((await refusalOf([job, '--slots', '2', '--timeout', '5m', '-o', 'out/'], 4))[0]).to.include(
      'no job with the id',
    );
  });

  it('say why a program of the directory can not be run, and what to type', async () => {
    const hintsFor = async (program: string): Promise<readonly string[]> => refusalOf([...INPUT, '--', program], 3);
    expect(await hintsFor('./nosuch.sh')).to.deep.equal([
      'error: step map: ./nosuch.sh does not exist: there is no file HERE/nosuch.sh',
      'hint: correct its name; it is relative to HERE',
    ]);
    here.write('sum.sh', '#!/bin/sh\ncat\n');
    expect(await hintsFor('./sum.sh')).to.deep.equal([
      'error: step map: ./sum.sh is not executable',
      'hint: chmod +x HERE/sum.sh',
    ]);
    expect(await hintsFor('sum.sh')).to.deep.equal([
      'error: step map: sum.sh is not on the PATH',
      'hint: to run the file in HERE, write ./sum.sh',
    ]);
    chmodSync(here.path('sum.sh'), 0o755);
    symlinkSync('sum.sh', here.path('link.sh'));
    expect(await hintsFor('./link.sh')).to.deep.equal([
      "error: step map: ./link.sh is not one of the job's files",
      'hint: add it to `files` of the job file, as in files: [link.sh]: commands find only those in their working directory',
    ]);
    mkdirSync(here.path('sub'));
    here.write('sub/job.json', { ...rangeJob('up', 1, { name: 'map', run: ['../sum.sh'] }) });
    expect(await refusalOf(['sub/job.json'], 3)).to.deep.equal([
      'error: step map: ../sum.sh is outside of HERE/sub, whose files are sent to the workers',
      'hint: copy it there (cp HERE/sum.sh HERE/sub/), or write HERE/sum.sh if every worker has it',
    ]);
  });
});
