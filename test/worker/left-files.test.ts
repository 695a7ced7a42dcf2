// Protects: a command whose results would be thrown away fails, and its error names the files that it left.
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { StepSpec } from '../../src/model/job.ts';
import { inputMark, NoOutputError, refuseNoOutput } from '../../src/worker/left-files.ts';
import { prepareSlotDirectory } from '../../src/worker/slot-directory.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';

describe('an output that is empty', () => {
  const scratch = forEachTest(() => new Scratch());

  /** The error for an empty output after a command left these files, relative to its working directory; null for none. */
  function refusalFor(
    left: readonly string[],
    {
      output = 'stdout',
      given = [],
      input = null,
    }: { output?: StepSpec['output']; given?: readonly string[]; input?: string | null } = {},
  ): string | null {
    const directory = prepareSlotDirectory(scratch.path('slots'), 0);
    for (const name of [...given, ...left]) {
      const path = join(directory.cwd, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, 'x');
    }
    writeFileSync(directory.stdout, '');
    writeFileSync(directory.stderr, '');
    if (input !== null) writeFileSync(input, 'x');
    try {
      refuseNoOutput(output, { directory, isGiven: (path) => given.includes(path), input });
      return null;
    } catch (error) {
      expect(error).to.be.instanceOf(NoOutputError);
      return error instanceof Error ? error.message : null;
    }
  }

  const slotPath = (name: string): string => scratch.path(`slots/0/${name}`);

  it('is refused if its command left files in its working directory, and says what to use', () => {
    expect(refusalFor(['a.mkv'])).to.equal(
      'it wrote nothing to stdout; left behind: a.mkv; use {output} or `output: files`, or `output: none` if none is expected',
    );
    expect(refusalFor(['a.mkv'], { output: 'files' })).to.equal(
      'it wrote no file in $BATCHCTL_OUTPUT_DIR; left behind: a.mkv; write them there, or `output: none` if none is expected',
    );
  });

  it('is refused whatever the files are: in directories, without extension, links, many', () => {
    expect(refusalFor(['deep/er/result'])).to.include('left behind: deep/er/result;');
    expect(refusalFor(['c', 'b', 'a'])).to.include('left behind: a, b, c;');
    expect(refusalFor(['d', 'c', 'b', 'a'])).to.include('left behind: a, b, c and others;');
    const names = Array.from({ length: 40 }, (_, n) => `part-${String(n).padStart(2, '0')}`);
    expect(refusalFor(names)).to.include('left behind: part-00, part-01, part-02 and others;');
    const { cwd } = prepareSlotDirectory(scratch.path('slots'), 0);
    symlinkSync('/etc/passwd', join(cwd, 'link'));
    const places = { directory: prepareSlotDirectory(scratch.path('others'), 0), isGiven: () => false, input: null };
    const directory = { ...places.directory, cwd };
    expect(() => refuseNoOutput('stdout', { ...places, directory })).to.throw(NoOutputError, 'left behind: link;');
  });

  it('is accepted without such files, or if no output is expected', () => {
    expect(refusalFor([])).to.equal(null);
    expect(refusalFor([], { output: 'files' })).to.equal(null);
    expect(refusalFor(['a.mkv'], { output: 'none' })).to.equal(null);
  });

  it("is accepted with the job's own files, and with what programs leave for themselves", () => {
    expect(refusalFor([], { given: ['price.mjs', 'lib/rates.csv'] })).to.equal(null);
    const own = [
      '.cache/x',
      '.lock',
      '__pycache__/m.cpython-313.pyc',
      'm.pyc',
      'core',
      'core.4711',
      'db.lock',
      'x.pid',
    ];
    expect(refusalFor(own, { given: ['price.mjs'] })).to.equal(null);
    expect(refusalFor(['lib/out.csv'], { given: ['lib/rates.csv'] })).to.include('left behind: lib/out.csv;');
    expect(refusalFor(['core.csv'])).to.include('left behind: core.csv;');
  });

  it('is refused if its command wrote beside its input, as gzip does', () => {
    const input = slotPath('in.mp4');
    expect(refusalFor([], { input })).to.equal(null);
    writeFileSync(slotPath('in.mp4.gz'), 'x');
    const directory = {
      ...prepareSlotDirectory(scratch.path('slots'), 1),
      stdin: slotPath('in'),
      cwd: slotPath('run'),
    };
    const refuse = (path: string | null) => () =>
      refuseNoOutput('stdout', { directory: { ...directory, ...slotFiles() }, isGiven: () => false, input: path });
    expect(refuse(input)).to.throw(NoOutputError, 'left behind: ../in.mp4.gz;');
    expect(refuse(null), 'it does not know that directory').not.to.throw();
  });

  describe('of a command that got a file or a directory as its input', () => {
    const empty = (output: StepSpec['output'], path: string, change: () => void) => () => {
      const directory = { ...prepareSlotDirectory(scratch.path('slots'), 0), ...slotFiles() };
      const mark = inputMark(path);
      expect(mark).to.be.a('string');
      change();
      refuseNoOutput(output, { directory, isGiven: () => false, input: path, mark });
    };
    const input = (name: string): string => scratch.path(`given/${name}`);
    beforeEach(() => void mkdirSync(scratch.path('given')));
    const refused =
      'it wrote nothing to stdout, but changed its input, a copy that is not kept; use {output} or `output: files`';

    it('is refused if it replaced, extended or rewrote it', () => {
      const path = input('in.csv');
      const changes: readonly (() => void)[] = [
        () => {
          writeFileSync(input('new'), 'a\n');
          renameSync(input('new'), path);
        },
        () => writeFileSync(path, 'b\n', { flag: 'a' }),
        () => {
          writeFileSync(path, 'b\n');
          utimesSync(path, new Date(), new Date(Date.now() + 60_000));
        },
      ];
      for (const change of changes) {
        writeFileSync(path, 'a\n');
        expect(empty('stdout', path, change)).to.throw(NoOutputError, refused);
        expect(empty('none', path, change)).not.to.throw();
      }
    });

    it('is refused if it put a file into its directory', () => {
      mkdirSync(input('all'));
      utimesSync(input('all'), 1, 1);
      expect(empty('files', input('all'), () => writeFileSync(input('all/new'), ''))).to.throw(
        NoOutputError,
        'it wrote no file in $BATCHCTL_OUTPUT_DIR, but changed its input',
      );
    });

    it('is accepted if it read it, removed it, or changed its mode', () => {
      const path = input('in.csv');
      for (const change of [() => readFileSync(path), () => chmodSync(path, 0o755), () => rmSync(path)]) {
        writeFileSync(path, 'a\n');
        expect(empty('stdout', path, change)).not.to.throw();
      }
    });
  });

  const slotFiles = () => ({ stdout: slotPath('out'), stderr: slotPath('err'), outputFile: slotPath('output') });

  it('that is a file which was never written is refused, also without other files', () => {
    expect(refusalFor([], { output: 'file' })).to.equal(
      'it wrote no file at {output}, $BATCHCTL_OUTPUT; write it there, even if it is empty, or `output: none` if none is expected',
    );
    expect(refusalFor(['a.mkv'], { output: 'file' })).to.include('left behind: a.mkv;');
    const directory = prepareSlotDirectory(scratch.path('slots'), 0);
    writeFileSync(`${directory.outputFile}.mkv`, 'x');
    expect(() => refuseNoOutput('file', { directory, isGiven: () => false, input: null })).to.throw(
      'left behind: ../output.mkv;',
    );
  });

  it('reports a working directory without any entry as empty, and no other', () => {
    const directory = prepareSlotDirectory(scratch.path('slots'), 0);
    let empties = 0;
    const places = { directory, isGiven: () => true, input: null, onEmpty: () => (empties += 1) };
    refuseNoOutput('stdout', places);
    expect(empties).to.equal(1);
    for (const name of ['given', '.hidden', 'directory/']) {
      const path = join(directory.cwd, name);
      if (name.endsWith('/')) mkdirSync(path);
      else writeFileSync(path, '');
      refuseNoOutput('stdout', places);
      rmSync(path, { recursive: true });
    }
    rmSync(directory.cwd, { recursive: true });
    refuseNoOutput('stdout', places);
    expect(empties).to.equal(1);
  });

  it('shows odd names quoted, so that the rest of the message stays readable', () => {
    expect(refusalFor(['a;b\nc'])).to.include('left behind: "a;b\\nc";');
  });

  it('is refused however deep the file is that was left, and however many files the job has', () => {
    for (const depth of [8, 31, 32, 33, 200]) expect(refusalFor([`${'d/'.repeat(depth)}x`])).to.include('left behind:');
    const given = Array.from({ length: 1_200 }, (_, n) => `code/${n}.js`);
    expect(refusalFor([], { given })).to.equal(null);
    expect(refusalFor(['z'], { given })).to.include('left behind: z;');
  });
});
