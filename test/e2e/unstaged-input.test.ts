// Protects: with input: url a command opens its file where it is, no copy is made, and no result is kept of a file that
// isn't the accepted one.
import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonLinesOf, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

describe('an input that is opened where it is', () => {
  const here = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    mkdirSync(here.path('in'));
    here.write('in/a b.txt', 'a\nb\n');
  });

  const write = (step: object, more: object = {}): void =>
    here.write('job.json', {
      name: 'films',
      input: { from: 'in', split: { by: 'file' } },
      steps: [{ name: 's', input: 'url', attempts: 2, ...step }],
      ...more,
    });
  const failureOf = async (): Promise<Record<string, unknown>> =>
    jsonLinesOf(await here.run(['tasks', 'last', '--state', 'failed', '--json']))[0];

  it('is the path of the file itself, which is not changed, whatever its name', async () => {
    const before = statSync(here.path('in/a b.txt'));
    write({ run: ['sh', '-c', 'echo "$1"; echo "$BATCHCTL_INPUT"; cat "$1"; wc -c', 'x', '{input}'] });
    const { stdout } = expectExit(await here.run(['run', 'job.json', '-o', '-', '-q']));
    const path = here.path('in/a b.txt');
    expect(stdout).to.equal(`${path}\n${path}\na\nb\n0\n`);
    expect(statSync(path)).to.deep.include({ ino: before.ino, mode: before.mode, mtimeMs: before.mtimeMs });
    expect(jsonOf(await here.run(['verify', 'last', '--deep', '--json']))).to.include({ verdict: 'proven' });
  });

  it('gives {output} its extension, and the next step the output', async () => {
    const steps = [
      { name: 's', input: 'url', run: ['sh', '-c', 'cp "$1" "$2"; echo "$2" >&2', 'x', '{input}', '{output}'] },
      { name: 't', run: ['tr', 'a-z', 'A-Z'] },
    ];
    write({}, { steps });
    expect(expectExit(await here.run(['run', 'job.json', '-o', '-', '-q'])).stdout).to.equal('A\nB\n');
    expect((await here.run(['logs', 'last', 's/0'])).stdout).to.match(/output\.txt\n/);
  });

  const CHANGES: readonly (readonly [string, () => void])[] = [
    ['was written to', () => writeFileSync(here.path('in/a b.txt'), 'c\nd\n')],
    ['grew', () => appendFileSync(here.path('in/a b.txt'), 'c\n')],
    [
      'was replaced',
      () => {
        here.write('other', 'a\nb\n');
        const { atime, mtime } = statSync(here.path('in/a b.txt'));
        utimesSync(here.path('other'), atime, mtime);
        renameSync(here.path('other'), here.path('in/a b.txt'));
      },
    ],
    ['is gone', () => renameSync(here.path('in/a b.txt'), here.path('elsewhere'))],
  ];
  for (const [what, change] of CHANGES) {
    it(`fails its task as changed, without running it, if it ${what} after submission`, async () => {
      write({ run: 'echo ran >> ../../../../ran; cat "$BATCHCTL_INPUT"' });
      await here.runSuccessfully('submit', 'job.json');
      change();
      await here.work();
      expect(await failureOf()).to.include({ reason: 'changed', attempts: 1 });
    });
  }

  for (const code of [0, 1]) {
    it(`keeps nothing of a command that ended with ${code} if its file changed meanwhile`, async () => {
      write({ run: `cat "$BATCHCTL_INPUT"; echo more >> '${here.path('in/a b.txt')}'; exit ${code}` });
      expectExit(await here.run(['run', 'job.json', '-o', 'out', '-q']), 5);
      const failed = await failureOf();
      expect(failed).to.include({ reason: 'changed', attempts: 1 });
      expect(failed.error).to.match(/a b\.txt has changed.*it had 4 bytes, and now has 9/);
    });
  }

  it('is named by reproduce, whose script opens the same file', async () => {
    write({ run: 'cat "$BATCHCTL_INPUT"; exit 4' });
    expectExit(await here.run(['run', 'job.json', '-q']), 5);
    await here.runSuccessfully('reproduce', 'last', 's/0', '-o', 'again');
    expect(readFileSync(here.path('again/env'), 'utf8')).to.include(`BATCHCTL_INPUT='${here.path('in/a b.txt')}'`);
    expect((await here.run(['reproduce', 'last', 's/0', '-o', 'twice', '--run'])).stdout).to.include('exit code 4');
    expect(readFileSync(here.path('twice/output'), 'utf8')).to.equal('a\nb\n');
  });

  it('is refused where there is no whole file to open, before anything is written', async () => {
    const mistakes: readonly (readonly [object, object, string])[] = [
      [{}, { input: { from: 'in', split: { by: 'lines', every: 1 } } }, 'found url, which is only for the first step'],
      [{}, { input: { from: 'in', split: { by: 'file', pack: 2 } } }, 'found url, which is only for the first step'],
      [{ run: ['sh', '-c', 'cat {input}'] }, {}, 'use "$BATCHCTL_INPUT"'],
      [
        {},
        {
          steps: [
            { name: 's', run: ['cat'] },
            { name: 't', input: 'url', run: ['cat'] },
          ],
        },
        'found url, which is only for the first step',
      ],
      [
        {},
        {
          steps: [
            { name: 's', run: ['cat'] },
            { name: 't', gather: true, input: 'url', run: ['cat'] },
          ],
        },
        'found url, which is only for the first step',
      ],
    ];
    for (const [step, more, text] of mistakes) {
      write({ run: ['cat', '{input}'], ...step }, more);
      expect(expectExit(await here.run(['submit', 'job.json']), 3).stderr).to.include(text);
    }
    write({ run: ['cat', '{input}'] });
    await here.runSuccessfully('upload', 'in/a b.txt', '--to', 'up/');
    for (const flags of [
      ['--input', 'store:up/a b.txt'],
      ['--input', '-'],
    ]) {
      const refused = expectExit(await here.start(['submit', 'job.json', ...flags], {}, 'text').ended, 3);
      expect(refused.stderr).to.match(/input: url needs a file, or an object in S3; (store:up\/a b\.txt|-) is neither/);
      expect(refused.stderr).to.include('use input: file');
    }
    expect(jsonLinesOf(await here.run(['jobs', '--json']))).to.deep.equal([]);
  });
});
