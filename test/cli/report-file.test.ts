// Protects: a report in a file has the format that its name promises, and never lets a task's output act in a browser.
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { escapeControls } from '../../src/cli/terminal-text.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('a report in a file', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  before(async () => {
    workspace.write('hostile', '<script>alert(1)</script> \x1b[2J');
    const run = `cat ${workspace.path('hostile')} >&2; exit 3`;
    workspace.write('job.json', rangeJob('hostile', 1, { name: 'one', attempts: 1, run }));
    await workspace.submit();
    await workspace.work();
  });
  const report = async (...flags: readonly string[]): Promise<string> => {
    expectExit(await workspace.run(['report', 'last', ...flags]));
    return readFileSync(workspace.path(flags.at(-1) ?? ''), 'utf8');
  };

  for (const name of ['r.html', 'r.HTM', 'r.xhtml'])
    it(`named ${name} is HTML with everything escaped, without a format given`, async () => {
      const text = await report('-o', name);
      expect(text).to.match(/^<!doctype html>/i);
      expect(text).to.include('alert(1)').and.not.include('<script>alert');
    });

  it('has the format that its name ends with, or else is text without control characters', async () => {
    expect(JSON.parse(await report('-o', 'r.json'))).to.have.property('job');
    expect(await report('-o', 'r.csv')).to.match(/^job,step,task,/);
    for (const name of ['r.txt', 'r', 'html']) {
      const text = await report('-o', name);
      expect(text).to.match(/^hostile-/);
      expect(text).to.equal(escapeControls(text));
    }
    expect(await report('--format', 'table', '-o', 'r.csv')).to.match(/^hostile-/);
    expect(await report('--format', 'html', '-o', 'r.txt')).to.match(/^<!doctype html>/i);
  });

  it('is refused if its name promises HTML and its format is not', async () => {
    for (const format of ['table', 'csv', 'json']) {
      const flags = ['report', 'last', '--format', format, '-o', 'other.html'];
      const { stderr } = expectExit(await workspace.run(flags), 2);
      expect(stderr).to.include(`--format ${format} writes no HTML`).and.include('use --format html');
    }
    expect(existsSync(workspace.path('other.html'))).to.equal(false);
  });
});
