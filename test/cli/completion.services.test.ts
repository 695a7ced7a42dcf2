// Protects: shell completion offers the right commands, flags, jobs and keys in bash, zsh and fish.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/commands.ts';
import { forSuite } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { rangeJob } from '../support/range-job.ts';
import { installed } from '../support/run/lacking.ts';
import { Workspace } from '../support/workspace.ts';

const BIN = new URL('../../bin/batchctl.js', import.meta.url).pathname;
const RUN = 'read n; [ $n != 3 ] || { echo bad $n >&2; exit 9; }; echo $n';

describe('shell completion', () => {
  const workspace = forSuite(() => new Workspace());
  let job = '';
  let cause = '';
  before(async () => {
    workspace.write('job.json', rangeJob('mixed', 4, { name: 'one', attempts: 1, run: RUN }));
    workspace.write('job.yaml', 'name: x\n');
    workspace.write('other.txt', '');
    workspace.write('batchctl.config.json', {
      profile: 'local',
      profiles: { local: { backend: 'local', root: '.batchctl' }, spare: { backend: 'local', root: 'spare' } },
    });
    workspace.write('batchctl', `#!/bin/sh\nexec ${process.execPath} ${BIN} "$@"\n`);
    spawnSync('chmod', ['+x', workspace.path('batchctl')]);
    job = await workspace.submit('--run-key', 'month-end:2026-11');
    await workspace.work();
    const [failure] = parseJsonLines<{ cause: string }>(
      (await workspace.runSuccessfully('failures', job, '--json')).stdout,
    );
    cause = failure?.cause ?? '';
    for (const shell of ['bash', 'zsh', 'fish']) {
      workspace.write(`complete.${shell}`, (await workspace.runSuccessfully('completion', shell)).stdout);
    }
  });

  function shell(program: string, args: readonly string[]): SpawnSyncReturns<string> {
    const path = `${workspace.dir}:${process.env.PATH}`;
    // bash warns of a locale that isn't installed.
    const env = { ...process.env, PATH: path, HOME: workspace.dir, TERM: 'dumb', LC_ALL: 'C.UTF-8' };
    return spawnSync(program, args, { cwd: workspace.dir, encoding: 'utf8', env });
  }

  /** The words that bash offers for a line with the cursor at its end. Splits words as bash does. */
  function bash(line: string): readonly string[] {
    const pieces = line
      .split(/ +/)
      .flatMap((word) => word.split(/([:=]+)/).filter((piece, at) => piece !== '' || at === 0));
    const words = pieces.map((piece) => `'${piece}'`).join(' ');
    const script = `set -u; source ./complete.bash; COMP_WORDS=(${words}); COMP_CWORD=${pieces.length - 1}
      COMPREPLY=(); _batchctl batchctl; for word in "\${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done`;
    const { stdout, stderr, status } = shell('bash', ['--norc', '-c', script]);
    expect(stderr.replace(/.*compopt.*\n/g, '')).to.equal('');
    expect(status).to.equal(0);
    return stdout.split('\n').filter(Boolean);
  }

  describe('in bash', () => {
    it('offers every command, and the subcommands of one', () => {
      const firsts = new Set(
        COMMANDS.flatMap(({ name, also = [] }) => [name, ...also].map((each) => each.split(' ')[0] ?? '')),
      );
      expect([...bash('batchctl ')].sort()).to.deep.equal([...firsts].sort());
      expect(bash('batchctl sta')).to.deep.equal(['status']);
      expect(bash('batchctl --json config ')).to.deep.equal(['show', 'trust']);
      expect(bash('batchctl data ')).to.deep.equal(['put', 'ls', 'rm']);
      expect(bash('batchctl --profile local queue pu')).to.include('purge');
    });

    it("offers global flags, the command's flags, and their values", () => {
      expect(bash('batchctl prune --')).to.include.members(['--older-than', '--all', '--json', '--profile']);
      expect(bash('batchctl prune --al')).to.deep.equal(['--all']);
      expect(bash('batchctl jobs --state f')).to.deep.equal(['failed']);
      expect(bash('batchctl jobs --state=f')).to.deep.equal(['failed']);
      expect(bash('batchctl help spl')).to.deep.equal(['splits']);
      expect(bash('batchctl schema jo')).to.deep.equal(['job', 'jobs']);
      expect(bash('batchctl status -')).to.include.members(['--format', '--json']);
      expect(bash('batchctl completion ')).to.deep.equal(['bash', 'zsh', 'fish']);
    });

    it('quotes a key of the store that the shell would split', async () => {
      const name = 'zz;touch pwned $(id).csv';
      workspace.write(name, 'x');
      await workspace.run(['upload', name, '--to', 'odd']);
      const [word = ''] = bash('batchctl ls odd/');
      const { stdout } = shell('bash', ['--norc', '-c', `printf '%s|' ${word}`]);
      expect(stdout).to.equal(`odd/${name}|`);
    });

    it('offers jobs by id, name and run key, even where bash splits the word', () => {
      expect(bash('batchctl status ')).to.deep.equal([job, 'last']);
      expect(bash('batchctl status mix')).to.deep.equal([job]);
      expect(bash('batchctl status name:')).to.deep.equal(['mixed']);
      expect(bash('batchctl status key:mon')).to.deep.equal(['month-end:2026-11']);
      expect(bash('batchctl status key:month-end:')).to.deep.equal(['2026-11']);
      expect(bash('batchctl submit job.json --run-key m')).to.deep.equal(['month-end:2026-11']);
    });

    it('offers steps, tasks and causes of the job on the command line', () => {
      expect(bash('batchctl retry last --cause ')).to.deep.equal([cause]);
      expect(bash(`batchctl retry ${job} --cause=`)).to.deep.equal([cause]);
      expect(bash('batchctl logs last ')).to.deep.equal(['one/2']);
      expect(bash('batchctl tasks last --task one/')).to.deep.equal(['one/2']);
      expect(bash('batchctl fetch last --step ')).to.deep.equal(['one']);
    });

    it('offers profiles, groups and job files', () => {
      expect(bash('batchctl --profile ')).to.have.members(['local', 'spare']);
      expect(bash('batchctl scale --group ')).to.deep.equal(['default']);
      expect(bash('batchctl run job')).to.have.members(['job.json', 'job.yaml']);
      expect(bash('batchctl upload oth')).to.deep.equal(['other.txt']);
    });

    it('offers nothing, and creates nothing, without a store', async () => {
      const complete = (...words: readonly string[]) => workspace.run(['__complete', 'jobs', '--', ...words]);
      expect(await complete('--profile', 'spare', 'status', '')).to.include({ stdout: '', stderr: '', code: 0 });
      expect(shell('ls', ['spare']).status).not.to.equal(0);
      for (const words of [['--profile', 'nope', 'status', ''], ['--tz', 'x', 'status', ''], []])
        expect(await complete(...words), words.join(' ')).to.include({ stderr: '', code: 0 });
    });
  });

  it('offers the same words in zsh, with descriptions', () => {
    // compadd and compset work only during completion, so their calls are recorded instead.
    const zsh = (line: string): string => {
      const words = line.split(' ').map((word) => `'${word}'`);
      const script = `compdef() { }; source ./complete.zsh
        compadd() { print -rl -- "\${shown[@]}" }; compset() { }; _files() { print -r -- "files $*" }
        words=(${words.join(' ')}); CURRENT=${words.length}; PREFIX=\${words[-1]}; _batchctl`;
      const { stdout, stderr } = shell(installed('zsh'), ['-f', '-c', script]);
      expect(stderr).to.equal('');
      return stdout;
    };
    expect(zsh('batchctl status ')).to.equal(`${job}  -- mixed, failed\nlast  -- ${job}, failed\n`);
    expect(zsh('batchctl retry last --cause ')).to.match(new RegExp(`^${cause}  -- 1 × one: bad`));
    expect(zsh('batchctl jobs --state ')).to.include('cancelled\n');
    expect(zsh('batchctl prune ')).to.equal('');
    expect(zsh('batchctl prune --')).to.include('--all  -- every closed job');
    expect(zsh('batchctl run ')).to.equal('files -g *.(yaml|yml|json)\n');
  });

  it('offers the same words in fish, with descriptions', () => {
    const fish = (line: string): readonly string[] => {
      const script = `source ./complete.fish; complete -C '${line}'`;
      const { stdout, stderr } = shell(installed('fish'), ['--no-config', '-c', script]);
      expect(stderr).to.equal('');
      return stdout.split('\n').filter(Boolean);
    };
    expect(fish('batchctl status ')).to.deep.equal([`${job}\tmixed, failed`, `last\t${job}, failed`]);
    expect(fish('batchctl retry last --cause ')[0]).to.match(new RegExp(`^${cause}\t1 × one: bad`));
    expect(fish('batchctl jobs --state f')[0]).to.match(/^failed/);
    expect(fish('batchctl --json data ').map((line) => line.split('\t')[0])).to.have.members(['put', 'ls', 'rm']);
    expect(fish('batchctl prune --al')).to.deep.equal(['--all\tevery closed job, however recent']);
    expect(fish('batchctl run job').map((line) => line.split('\t')[0])).to.have.members(['job.json', 'job.yaml']);
  });
});
