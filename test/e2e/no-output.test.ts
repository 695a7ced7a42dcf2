// Protects: a job never succeeds with results that its commands wrote where nothing reads them, and a command finds its
// input and output under names that it can work with.
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

/** A program that judges its files by their extensions, as ffmpeg does: `convert IN OUT`. */
const CONVERT = `#!/bin/sh
case "$1" in *.mp4) ;; *) echo "unknown input format: $1" >&2; exit 1;; esac
case "$2" in *.mkv) kind=mkv;; *.mp4) kind=mp4;; *) echo "unknown output format: $2" >&2; exit 1;; esac
{ echo "$kind"; cat "$1"; } >"$2"
`;

describe('a command whose results would be lost', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    mkdirSync(here.path('one'));
    for (const name of ['a', 'b', 'c']) here.write(`one/${name}.mp4`, `film ${name}\n`);
    here.write('convert', CONVERT);
    chmodSync(here.path('convert'), 0o755);
  });

  const runLine = (...words: readonly string[]): Promise<Ended> =>
    here.run(['run', '--input', 'one/*.mp4', '--split', 'file', '--quiet', ...words]);
  const runJob = (step: object, more: object = {}, to = 'out/'): Promise<Ended> => {
    here.write('job.json', {
      name: 'films',
      input: { from: 'one/*.mp4', split: { by: 'file' } },
      steps: [{ name: 'map', ...step }],
      ...more,
    });
    return here.run(['run', 'job.json', '--quiet', '-o', to]);
  };

  it('fails its tasks at once, under one cause, and nothing is fetched', async () => {
    expectExit(await runLine('-o', 'out/', '--', './convert', '{input}', '{stem}.mkv'), 5);
    expect(existsSync(here.path('out'))).to.equal(false);
    const [cause, ...others] = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    expect(others).to.deep.equal([]);
    expect(cause).to.include({ reason: 'no-output', count: 3 });
    expect(cause.error).to.include('it wrote nothing to stdout; left behind: <path>; use {output} or `output: files`');
    expect(cause.example.error).to.include('left behind: a.mkv; use {output}');
    const [attempt, ...more] = jsonLinesOf(await here.run(['tasks', 'last', '--task', 'map/0', '--json']));
    expect(attempt).to.include({ state: 'failed', reason: 'no-output' });
    expect(more).to.deep.equal([]);
  });

  it('fails if it changed its input instead, as sed -i does, unless no output is expected', async () => {
    expectExit(await runLine('-o', 'out/', '--', 'sed', '-i', 's/film/book/', '{input}'), 5);
    expect(existsSync(here.path('out'))).to.equal(false);
    const [cause] = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    expect(cause).to.include({ reason: 'no-output', count: 3 });
    expect(cause.error).to.include(
      'it wrote nothing to stdout, but changed its input, a copy that is not kept; use {output}',
    );
    expect(readFileSync(here.path('one/a.mp4'), 'utf8')).to.equal('film a\n');
    expectExit(await runJob({ run: ['sed', '-i', 's/film/book/', '{input}'], output: 'none' }));
    expectExit(await runLine('-o', 'out/', '--', 'sh', '-c', 'sed -i s/film/book/ "$1" && cat "$1"', 'sh', '{input}'));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('book a\n');
  });

  it('works in one line with {output}, which has the extension of the names of the results', async () => {
    expectExit(await runLine('-o', 'out/', '--name', '{stem}.mkv', '--', './convert', '{input}', '{output}'));
    expect(readFileSync(here.path('out/b.mkv'), 'utf8')).to.equal('mkv\nfilm b\n');
    expectExit(await runLine('-o', 'same/', '--', './convert', '{input}', '{output}'));
    expect(readFileSync(here.path('same/b.mp4'), 'utf8')).to.equal('mp4\nfilm b\n');
    const one = ['run', '--input', 'one/a.mp4', '--split', 'file', '--quiet', '-o', 'a.mkv'];
    expectExit(await here.run([...one, '--', './convert', '{input}', '{output}']));
    expect(readFileSync(here.path('a.mkv'), 'utf8')).to.equal('mkv\nfilm a\n');
  });

  it('gets the extension of its step, or of the names of a delivery', async () => {
    const convert = { run: ['./convert', '{input}', '{output}'] };
    const files = { files: ['convert'] };
    expectExit(await runJob({ ...convert, extension: '.mkv' }, files));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('mkv\nfilm a\n');
    expectExit(await runJob(convert, { ...files, deliver: { to: 'there', name: '{stem}.mkv' } }));
    expect(readFileSync(here.path('there/c.mkv'), 'utf8')).to.equal('mkv\nfilm c\n');
  });

  it('may use {output} twice, or write it through its variable', async () => {
    const text = 'echo one >"$1"; echo two >>"$2"; test "$1" = "$BATCHCTL_OUTPUT"';
    expectExit(await runJob({ run: ['sh', '-c', text, 'sh', '{output}', '{output}'] }));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('one\ntwo\n');
    expectExit(await runJob({ run: 'cat "$BATCHCTL_INPUT" >"$BATCHCTL_OUTPUT"', input: 'file', output: 'file' }));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('film a\n');
    const many = { run: ['cp', '{input}', '{output}/x.bin'], output: 'files' };
    expectExit(await runJob(many, {}, 'many/'));
    expect(readFileSync(here.path('many/a.mp4/x.bin'), 'utf8')).to.equal('film a\n');
  });

  it('fails if it never wrote its file, also if it exits with 0, and succeeds with an empty one', async () => {
    expectExit(await runJob({ run: ['true', '{output}'] }), 5);
    const [cause] = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    expect(cause.error).to.include('it wrote no file at {output}, $BATCHCTL_OUTPUT');
    expectExit(await runJob({ run: ['touch', '{output}'] }));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('');
  });

  it('fails in a gather, too', async () => {
    const gather = { name: 'all', gather: true, run: 'cat >all.csv' };
    expectExit(await runJob({ run: ['cat'] }, { steps: [{ name: 'map', run: ['cat'] }, gather] }), 5);
    const [cause] = jsonLinesOf(await here.run(['failures', 'last', '--json']));
    expect(cause.example.error).to.include('left behind: all.csv;');
  });

  it('succeeds if its step expects no output', async () => {
    expectExit(await runJob({ run: 'cat >uploaded; echo progress', output: 'none' }));
    expect(readFileSync(here.path('out/a.mp4'), 'utf8')).to.equal('');
  });

  it('succeeds with empty outputs if it left nothing, and run, verify and status say so', async () => {
    const ran = expectExit(await runJob({ run: ['grep', '-q', 'film'] }));
    expect(ran.stderr).to.include('warning: all 3 outputs of map are empty');
    expect(expectExit(await here.run(['status', 'last'])).stdout).to.include('all 3 outputs of map are empty');
    expect(expectExit(await here.run(['verify', 'last'])).stdout).to.include('note: all 3 outputs of map are empty');
    expectExit(await runJob({ run: 'grep b || true' }));
    const verified = jsonOf(await here.run(['verify', 'last', '--json']));
    expect(verified.warnings).to.deep.equal([{ code: 'emptyOutputs', message: '2 of 3 outputs of map are empty' }]);
    expect(jsonOf(await here.run(['status', 'last', '--json'])).steps[0].allEmpty).to.equal(false);
    const silent = expectExit(await runJob({ run: ['true'], output: 'none' }));
    expect(silent.stderr).not.to.include('empty');
    expect(expectExit(await here.run(['status', 'last'])).stdout).not.to.include('empty');
    expect(jsonOf(await here.run(['verify', 'last', '--json'])).warnings).to.deep.equal([]);
  });

  it('is fixed by a retry with the output in the right place', async () => {
    expectExit(await runJob({ run: 'cat >left' }), 5);
    here.write(
      'job.json',
      readFileSync(here.path('job.json'), 'utf8').replace('"cat >left"', '["cp","{input}","{output}"]'),
    );
    expectExit(await here.run(['retry', 'last', '--with', 'job.json']));
    const id = jsonOf(await here.run(['status', 'last', '--json'])).job;
    expectExit(await here.run(['run', id, '--quiet', '-o', 'out/']));
    expect(readFileSync(here.path('out/c.mp4'), 'utf8')).to.equal('film c\n');
  });
});
