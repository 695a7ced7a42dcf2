// Protects: what a directory or pattern leaves out of the inputs is named, and batchctl's own files are never an input.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { forEachTest } from '../support/fixture.ts';
import { describeEachWay } from '../support/manager/each-way.ts';

describeEachWay('the files that inputs leave out', (make) => {
  const workspace = forEachTest(make);
  beforeEach(() => {
    workspace.write('job.json', {
      name: 'claims',
      input: { split: { by: 'file' } },
      steps: [{ name: 's', run: ['cat'] }],
    });
    mkdirSync(workspace.path('in'));
    for (const name of ['a.csv', 'b.csv']) workspace.write(`in/${name}`, name);
  });

  /** The inputs of a plan and its warnings; a submission gives the same warnings. */
  async function planned(
    ...inputs: readonly string[]
  ): Promise<{ names: readonly string[]; warnings: readonly string[] }> {
    const flags = inputs.flatMap((input) => ['--input', input]);
    const { stdout, stderr } = await workspace.runSuccessfully('plan', 'job.json', '--json', ...flags);
    const warnings = (text: string) => text.split('\n').filter((line) => line.startsWith('warning:'));
    const submitted = await workspace.runSuccessfully('submit', 'job.json', ...flags);
    expect(warnings(submitted.stderr)).to.have.members(warnings(stderr));
    const { store } = await workspace.platform();
    const { leftOut = [] } = (await requireView(store, submitted.stdout.trim())).record;
    expect(leftOut.map((text) => `warning: ${text}`)).to.have.members(warnings(stderr));
    const { inputs: found } = JSON.parse(stdout) as { readonly inputs: readonly { readonly name: string }[] };
    return { names: found.map(({ name }) => name), warnings: warnings(stderr) };
  }

  it('are named if their names begin with a dot, with number and example', async () => {
    for (const name of ['.c.csv', '.d.csv', '.DS_Store']) workspace.write(`in/${name}`, name);
    mkdirSync(workspace.path('in/.hidden'));
    workspace.write('in/.hidden/e.csv', 'e');
    expect(await planned('in/*.csv')).to.deep.equal({
      names: ['in/a.csv', 'in/b.csv'],
      warnings: [
        'warning: the input in/*.csv leaves out 2 whose names begin with a dot (such as in/.c.csv); name them: .*',
      ],
    });
    expect((await planned('in/**')).warnings).to.deep.equal([
      'warning: the input in/** leaves out 4 whose names begin with a dot (such as in/.DS_Store); name them: .*',
    ]);
    expect(await planned('in/.*.csv')).to.deep.equal({ names: ['in/.c.csv', 'in/.d.csv'], warnings: [] });
    expect((await planned('in')).names).to.have.length(6);
  });

  it('are named if they are pipes, directories, or links to directories', async () => {
    execFileSync('mkfifo', [workspace.path('in/pipe.csv'), workspace.path('in/other')]);
    for (const name of ['in/deep.csv', 'in/empty.csv', 'far']) mkdirSync(workspace.path(name));
    for (const name of ['in/deep.csv/x', 'far/y']) workspace.write(name, 'x');
    symlinkSync('../far', workspace.path('in/link.csv'));
    const { names, warnings } = await planned('in/*.csv');
    expect(names).to.deep.equal(['in/a.csv', 'in/b.csv']);
    expect(warnings).to.have.members([
      'warning: the input in/*.csv leaves out 1 that are pipes, sockets or devices (in/pipe.csv); copy their data into files',
      'warning: the input in/*.csv leaves out 1 that are directories (in/deep.csv); DIR/** reads their files',
      'warning: the input in/*.csv leaves out 1 that are links to directories (in/link.csv); LINK/** reads their files',
    ]);
    const deep = await planned('in');
    expect(deep.names).to.deep.equal(['in/a.csv', 'in/b.csv', 'in/deep.csv/x', 'in/link.csv/y']);
    expect(deep.warnings).to.deep.equal([
      'warning: the input in leaves out 2 that are pipes, sockets or devices (such as in/other); copy their data into files',
    ]);
  });

  it("are batchctl's own: the store and the configuration", async () => {
    workspace.write('batchctl.config.json', readConfig());
    await workspace.submit('--input', 'in/a.csv');
    const { names, warnings } = await planned('.');
    expect(names).to.deep.equal(['in/a.csv', 'in/b.csv', 'job.json']);
    expect(warnings).to.deep.equal([
      "warning: the input . leaves out 2 that are batchctl's own: its store or configuration (such as .batchctl); keep the data in a directory of its own",
    ]);
    const pattern = await planned('*.json');
    expect(pattern.warnings).to.deep.equal([
      "warning: the input *.json leaves out 1 that are batchctl's own: its store or configuration (batchctl.config.json); keep the data in a directory of its own",
    ]);
    expect(pattern.names).to.deep.equal(['job.json']);
  });

  it("are batchctl's own in directories below, too, unless they are named", async () => {
    for (const directory of ['in/sub', 'in/sub/.batchctl', 'in/sub/.batchctl/store'])
      mkdirSync(workspace.path(directory));
    for (const name of ['c.csv', 'batchctl.config.json', '.batchctl/format', '.batchctl/store/x'])
      workspace.write(`in/sub/${name}`, 'x');
    const left = (what: string, count: string): string =>
      `warning: the input ${what} leaves out ${count}; keep the data in a directory of its own`;
    const own = "that are batchctl's own: its store or configuration";
    const csv = ['in/a.csv', 'in/b.csv', 'in/sub/c.csv'];
    expect(await planned('in')).to.deep.equal({
      names: csv,
      warnings: [left('in', `2 ${own} (such as in/sub/.batchctl)`)],
    });
    expect(await planned('in/**')).to.deep.equal({
      names: csv,
      warnings: [left('in/**', `1 ${own} (in/sub/batchctl.config.json)`)],
    });
    expect(await planned('in/**/*.csv')).to.deep.equal({ names: csv, warnings: [] });
    const named = ['in/sub/batchctl.config.json', 'in/sub/.batchctl/format'];
    expect(await planned(...named)).to.deep.equal({ names: named, warnings: [] });
  });

  it('are named if they are a link that `files:` passes over, by a plan and a submission', async () => {
    mkdirSync(workspace.path('lib'));
    workspace.write('lib/run.sh', 'cat');
    symlinkSync('run.sh', workspace.path('lib/link.sh'));
    const job = { name: 'claims', input: { split: { by: 'file' } }, steps: [{ name: 's', run: ['cat'] }] };
    workspace.write('job.json', { ...job, files: ['lib'] });
    const files = 'warning: files: lib leaves out 1 link (lib/link.sh); name a link to ship the file that it leads to';
    expect((await planned('in/a.csv')).warnings).to.deep.equal([files]);
    // Beside what the inputs leave out.
    workspace.write('in/.c.csv', '');
    expect((await planned('in/*.csv')).warnings)
      .to.have.length(2)
      .and.include(files);
  });

  const readConfig = (): string => {
    try {
      return execFileSync('cat', [workspace.path('batchctl.config.json')], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch {
      return '{"profile": "local", "profiles": {"local": {"backend": "local"}}}';
    }
  };
});

describeEachWay('no file that inputs leave out', (make) => {
  const workspace = forEachTest(make);

  it('is searched for if there is none', async () => {
    workspace.write('a.csv', '1\n');
    const flags = ['--input', '*.csv', '--split', 'file', '--dry-run'];
    const { stderr } = await workspace.runSuccessfully('run', ...flags, '--', 'cat');
    expect(stderr).not.to.contain('leaves out');
  });
});
