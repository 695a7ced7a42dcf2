// Protects: help, version, errors, config show, init and schema answer correctly, with the right exit codes.

import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { outputOf } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { GLOBAL_FLAGS } from '../../src/cli/help.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { VERSION } from '../../src/lib/version.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { Scratch } from '../support/scratch.ts';
import { withoutRights } from '../support/without-rights.ts';
import { fakeContext, runCli } from './fake-io.ts';

describe('the command line', () => {
  const scratch = forEachTest(() => new Scratch());
  const run = (argv: readonly string[], cwd = scratch.directory) => runCli(argv, { cwd, env: { HOME: cwd } });
  const write = (name: string, text: string): void => writeFileSync(scratch.path(name), text);
  const read = (name: string): string => readFileSync(scratch.path(name), 'utf8');
  const parseJob = (name: string) => parseJobFile(read(name), { file: 'job.yaml' });

  it('prints only its version for --version and -V, wherever they are', async () => {
    for (const argv of [['--version'], ['init', '--version'], ['--version', '--json'], ['-V'], ['status', '-V']]) {
      expect(await run(argv)).to.deep.equal({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
    }
  });

  it('lists all flags with help --all, and prints the same help for each form of the command', async () => {
    const all = await run(['help', '--all']);
    expect(all.code).to.equal(0);
    for (const flag of Object.keys(GLOBAL_FLAGS)) expect(all.stdout).to.include(flag);
    const help = await run(['--help']);
    expect(help.code).to.equal(0);
    for (const argv of [[], ['help']]) expect((await run(argv)).stdout).to.equal(help.stdout);
  });

  it('reports a directory without write permission as a plain error with a hint, not a crash', async () => {
    // Loads every module on the way: without rights, those of a clone in a closed directory can't be read.
    writeFileSync(scratch.path('a'), 'a file');
    expect((await run(['init', 'a'])).code).to.not.equal(0);
    await run(['init', 'b']);
    chmodSync(scratch.directory, 0o555);
    const { code, stderr } = await withoutRights(() => run(['init']));
    chmodSync(scratch.directory, 0o755);
    expect(code).to.equal(7);
    expect(stderr).to.match(
      /^error: EACCES: permission denied, open '.*'\nhint: choose another path, or allow this user to read and write there/,
    );
  });

  describe('help of', () => {
    for (const entry of COMMANDS) {
      it(`${entry.name} has an example, exit codes and related commands`, async () => {
        const { code, stdout } = await run([...entry.name.split(' '), '--help']);
        expect(code).to.equal(0);
        expect(stdout).to.match(new RegExp(`^Usage: batchctl ${entry.name}`));
        expect(stdout).to.match(/\nExamples:\n {2}batchctl /);
        expect(stdout).to.match(/\nExit codes \(besides 1 and 2\):\n {2}0 /);
        expect(stdout).to.match(/\nRelated: batchctl /);
        expect((await run(['help', ...entry.name.split(' ')])).stdout).to.equal(stdout);
      });

      it(`${entry.name} describes itself: its examples run it, and none of its flags is a global one`, async () => {
        const definition = (await entry.load())(fakeContext().ctx);
        const { help, options } = definition;
        const output = await outputOf(definition);
        for (const example of help.examples) expect(example).to.match(new RegExp(`\\bbatchctl ${entry.name}\\b`));
        expect(help.related).to.not.include(entry.name);
        const spellings = (flags: string) => flags.match(/(?<![\w-])--?[a-zA-Z][a-z-]*/g) ?? [];
        const globals = Object.keys(GLOBAL_FLAGS).flatMap(spellings);
        const own = Object.keys(options).flatMap(spellings);
        for (const flag of own) expect(globals).to.not.include(flag);
        expect(new Set(own).size).to.equal(own.length);
        if (output !== null) expect(output).to.be.an('object');
      });
    }
  });

  const mistakes: readonly (readonly [string, readonly string[], string, string])[] = [
    ['an unknown command', ['confg'], "unknown command 'confg'", 'did you mean config?'],
    ['a group without its command', ['config'], 'config show', 'batchctl config --help'],
    ['an unknown subcommand', ['config', 'shw'], 'config show', 'batchctl config --help'],
    ['an unknown flag', ['init', '--form', 'x'], "unknown option '--form'", 'did you mean --from?'],
    ['a flag without its value', ['init', '--from'], "option '--from <file>' argument missing", 'batchctl init --help'],
    ['too many arguments', ['init', 'a', 'b'], 'too many arguments', 'batchctl init --help'],
    ['a missing argument', ['schema'], "missing required argument 'what'", 'batchctl schema --help'],
    ['a flag in place of a command', ['--from', 'x'], 'expected a command first', 'batchctl --help'],
  ];
  for (const [what, argv, message, hint] of mistakes) {
    it(`answers ${what} with exit 2 and a suggestion`, async () => {
      const { code, stdout, stderr } = await run(argv);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(/^error: .*\nhint: .*\n$/);
      expect(stderr).to.include(message).and.include(hint);
    });
  }

  it('prints an error as the last line of stderr with --json', async () => {
    const { code, stderr } = await run(['--json', 'init', '--form', 'x']);
    expect(code).to.equal(2);
    expect(JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')).to.deep.equal({
      error: {
        kind: 'usage',
        message: "unknown option '--form'",
        hint: 'did you mean --from? see batchctl init --help',
      },
    });
  });

  it('shows a stack trace only with --verbose', async () => {
    expect((await run(['confg', '--verbose'])).stderr).to.match(/\n {4}at /);
    expect((await run(['confg'])).stderr).to.not.match(/\n {4}at /);
    expect((await run(['confg', '-v'])).stderr).to.match(/\n {4}at /);
    expect((await run(['confg', '--', 'grep', '-v'])).stderr).to.not.match(/\n {4}at /);
  });

  describe('config show', () => {
    it('prints each value with its origin, one JSON line each', async () => {
      write('batchctl.config.json', JSON.stringify({ profiles: { local: { backend: 'local', slots: 3 } } }));
      const { code, stdout, stderr } = await run(['config', 'show', '--json', '--tz', 'Europe/London']);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      const rows = parseJsonLines(stdout);
      const origin = `${scratch.path('batchctl.config.json')} (local)`;
      expect(rows).to.deep.include({ path: 'slots', value: 3, origin });
      expect(rows).to.deep.include({ path: 'tz', value: 'Europe/London', origin: '--tz' });
      expect(rows).to.deep.include({ path: 'durability', value: 'process', origin: 'default' });
    });

    it('shows one value as a row, and exits 4 for a missing one', async () => {
      expect((await run(['config', 'show', 'backend'])).stdout).to.match(
        /^VALUE OF +IS +FROM\nbackend +local +default\n$/,
      );
      expect((await run(['config', 'show', 'nothing.here'])).code).to.equal(4);
    });

    it('exits 3 for a profile that does not exist', async () => {
      const { code, stderr } = await run(['config', 'show', '--profile', 'prod']);
      expect(code).to.equal(3);
      expect(stderr).to.include('prod');
    });
  });

  describe('init', () => {
    it('writes three files that work together, and says what to do next', async () => {
      expect(await run(['init', 'work'])).to.deep.equal({
        code: 0,
        stdout: 'wrote work/batchctl.config.json\nwrote work/job.yaml\nwrote work/.gitignore\n',
        stderr: 'next: batchctl run work/job.yaml -o -\n',
      });
      expect(parseJob('work/job.yaml').steps.map(({ name }) => name)).to.deep.equal(['square', 'sum']);
      const shown = await run(['config', 'show', 'root', '--json'], scratch.path('work'));
      const origin = `${scratch.path('work/batchctl.config.json')} (local)`;
      expect(JSON.parse(shown.stdout)).to.include({ value: '.batchctl', origin });
    });

    it('asks for a line in .gitignore only where it is missing', async () => {
      await run(['init']);
      expect((await run(['init'])).stdout).to.equal(
        'left batchctl.config.json unchanged\nleft job.yaml unchanged\nleft .gitignore unchanged\n',
      );
      write('.gitignore', 'node_modules/\n');
      expect((await run(['init'])).stdout).to.include('add the line .batchctl/ to .gitignore');
    });

    it('never overwrites, and leaves no draft behind', async () => {
      write('job.yaml', 'mine');
      write('.gitignore', 'node_modules/\n');
      const { code, stdout } = await run(['init', '--json']);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({
        directory: scratch.directory,
        written: ['batchctl.config.json'],
        kept: ['job.yaml', '.gitignore'],
      });
      expect(read('job.yaml')).to.equal('mine');
      expect(readdirSync(scratch.directory).sort()).to.deep.equal(['.gitignore', 'batchctl.config.json', 'job.yaml']);
    });

    it("guesses the split of a user's file", async () => {
      write('Claims 2026.csv', `id;amount\n${'7;12,50\n'.repeat(2000)}`);
      await run(['init', 'work', '--from', 'Claims 2026.csv']);
      const { name, input } = parseJob('work/job.yaml');
      expect(name).to.equal('claims-2026');
      expect(input).to.deep.equal({
        from: ['../Claims 2026.csv'],
        split: { by: 'csv', size: 3000, header: true, delimiter: ';', quote: '"' },
      });
    });

    it('makes each file of a directory a task if they are many and small, and says which it left out', async () => {
      mkdirSync(scratch.path('in (new)/deep'), { recursive: true });
      for (let n = 0; n < 9; n += 1) write(`in (new)/deep/${n}.csv`, 'id,amount\n7,12\n8,13\n');
      for (const name of ['a.txt', 'README']) write(`in (new)/${name}`, 'x\n');
      await run(['init', 'work', '--from', 'in (new)']);
      const text = read('work/job.yaml');
      const { name, input } = parseJob('work/job.yaml');
      expect(name).to.equal('in-new');
      expect(input).to.deep.equal({ from: ['../in \\(new\\)/**/*.csv'], split: { by: 'file' } });
      expect(text).to.match(/# 9 files of \S+, the largest \S+: each is a task/);
      expect(text).to.include('# not read: 1 without an extension, 1 .txt');
      const plan = await run(['plan', 'work/job.yaml', '--json']);
      expect(JSON.parse(plan.stdout)).to.include({ parts: 9 });
      mkdirSync(scratch.path('few'));
      for (const file of ['a.jsonl', 'b.jsonl']) write(`few/${file}`, '{"id":1}\n'.repeat(2000));
      await run(['init', 'other', '--from', 'few']);
      const split = { by: 'jsonl', size: 5000 };
      expect(parseJob('other/job.yaml').input).to.deep.equal({ from: ['../few/*.jsonl'], split });
      mkdirSync(scratch.path('empty'));
      const { code, stderr } = await run(['init', 'third', '--from', 'empty']);
      expect(code, stderr).to.equal(4);
      expect(stderr).to.include('contains no files');
    });

    it('writes nothing with --dry-run, and exits 4 for a file that does not exist', async () => {
      expect((await run(['init', '--dry-run'])).stdout).to.include('would write job.yaml');
      expect((await run(['init', '--from', 'nowhere.csv'])).code).to.equal(4);
      expect(readdirSync(scratch.directory)).to.deep.equal([]);
    });
  });

  describe('schema', () => {
    it("prints the schema of a command's answer", async () => {
      const { code, stdout } = await run(['schema', 'config', 'show']);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.include({ title: 'batchctl config show --json', type: 'object' });
    });

    it('prints the schemas of the two files', async () => {
      for (const [file, title] of [
        ['job', 'batchctl job file'],
        ['config', 'batchctl configuration'],
      ] as const) {
        const { code, stdout } = await run(['schema', file]);
        expect(code).to.equal(0);
        expect(JSON.parse(stdout)).to.include({ title });
      }
    });

    it('rejects an unknown command', async () => {
      expect((await run(['schema', 'confg'])).code).to.equal(2);
    });
  });
});
