// Protects: rivals' words, other names, short flags, and jobs that are not named.

import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { COMMANDS, findCommand } from '../../src/cli/commands.ts';
import { TOPICS } from '../../src/cli/topics.ts';
import { VERSION } from '../../src/lib/version.ts';
import { forSuite } from '../support/fixture.ts';
import { withEnvironment } from '../support/run/environment.ts';
import { whyJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { type FakeWorld, runCli } from './fake-io.ts';

describe('help', () => {
  it('names pages that can be opened, as do hints', async () => {
    const topics = ['job-files', 'splits', 'exit-codes', 'environment'];
    for (const words of [...topics.map((topic) => ['help', topic]), ['plan', 'package.json']]) {
      const { stdout, stderr } = await runCli(words);
      const [, page = ''] = /(\S*docs\/[\w-]+[.]md)/.exec(stdout + stderr) ?? [];
      expect(existsSync(page) && page.startsWith('/'), `${words.join(' ')}: ${stdout}${stderr}`).to.equal(true);
    }
  });

  it('of a topic is not wider than 80 columns', async () => {
    for (const { name, example } of TOPICS) {
      expect(
        example.filter((line) => line.length > 78),
        name,
      ).to.deep.equal([]);
    }
  });

  it('explains each topic by its name, also in two words or as one thing', async () => {
    for (const { name, text } of TOPICS) {
      for (const said of [[name], name.split('-'), [name.replace(/s$/, '')]]) {
        const { code, stdout } = await runCli(['help', ...said]);
        expect(code, said.join(' ')).to.equal(0);
        expect(stdout.replaceAll('\n', ' ')).to.include(text.slice(0, 40));
      }
    }
  });

  it('lists every command with --all, however that is typed, but names that another has taken', async () => {
    const { stdout } = await runCli(['help', '--all']);
    for (const { name, summary, unlisted } of COMMANDS) {
      if (unlisted === true) expect(stdout).not.to.include(`  ${name} `);
      else expect(stdout).to.include(`  ${name} `).and.include(summary.slice(0, 20));
    }
    expect(COMMANDS.filter(({ unlisted }) => unlisted).map(({ name }) => name)).to.deep.equal([
      'ledger rebuild',
      'notify test',
    ]);
    for (const words of ['ledger rebuild', 'notify test']) {
      expect((await runCli([...words.split(' '), '--help'])).stdout).to.include(`Usage: batchctl ${words}`);
    }
    expect(await runCli(['--help', '--all'])).to.deep.equal({ code: 0, stdout, stderr: '' });
    expect((await runCli(['help', '--all', 'run'])).code).to.equal(2);
  });

  it('shows the commands below a word, under the names that begin with it', async () => {
    for (const words of [
      ['help', 'data'],
      ['data', '--help'],
    ]) {
      expect((await runCli(words)).stdout).to.match(/^Usage: batchctl data COMMAND\n[\s\S]*data put .*[\s\S]*data rm /);
    }
  });
});

describe('a word of another program', () => {
  const rivals = {
    ps: 'jobs',
    qstat: 'jobs',
    top: 'watch',
    stop: 'cancel',
    rerun: 'retry',
    download: 'fetch',
  } as const;
  for (const [word, command] of Object.entries(rivals)) {
    it(`${word} suggests ${command}`, async () => {
      const { code, stderr } = await runCli([word]);
      expect(code).to.equal(2);
      expect(stderr).to.equal(
        `error: unknown command '${word}'\nhint: did you mean ${command}? see batchctl help --all\n`,
      );
    });
  }
});

describe('another name', () => {
  const names: Readonly<Record<string, string>> = {
    'status --watch': 'watch',
    'status last -w': 'watch last',
    'status --wait --timeout 6h': 'wait --timeout 6h',
    'doctor --notify --to exec:./x': 'notify test --to exec:./x',
    'verify --rebuild-ledger --since 7d': 'ledger rebuild --since 7d',
    'tasks kill last a/1': 'kill last a/1',
    'data put a.csv': 'upload a.csv',
    'data ls x/': 'ls x/',
    'data list x/': 'ls x/',
    'data rm x': 'rm x',
    list: 'ls',
    'schedule list': 'schedule ls',
    'manager token ls': 'manager token list',
    'jobs list': 'jobs',
    'config schema': 'schema config',
    'job schema': 'schema job',
  };
  for (const [said, meant] of Object.entries(names)) {
    it(`${said} is ${meant}`, () => {
      const found = findCommand(said.split(' '));
      const as = findCommand(meant.split(' '));
      expect(found?.entry.name).to.equal(as?.entry.name);
      expect(found?.words).to.deep.equal(as?.words);
    });
  }

  it('a value that looks like such a flag is no other name for a command without one', () => {
    expect(findCommand(['jobs', '--watch'])?.entry.name).to.equal('jobs');
  });
});

describe('version', () => {
  it('-V prints it alone, wherever it stands', async () => {
    for (const argv of [['-V'], ['status', '-V']]) {
      expect(await runCli(argv)).to.deep.equal({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
    }
  });

  it('the command adds what a bug report needs, also where the configuration is invalid', async () => {
    const workspace = new Workspace();
    try {
      const found = await workspace.run(['version', '--json']);
      expect(JSON.parse(found.stdout)).to.deep.equal({
        version: VERSION,
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
        ...{ profile: 'local', backend: 'local', storeFormat: 1 },
      });
      workspace.write('batchctl.config.json', '{');
      const { code, stdout, stderr } = await workspace.run(['version']);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^batchctl +\S+\nnode +\d+[.]\S+\n[\s\S]*backend +unknown\n/);
      expect(stderr).to.match(/^warning: /);
    } finally {
      await workspace.remove();
    }
  });
});

describe('a job that is not named', () => {
  const run = 'read n; [ "$n" != 2 ] || { echo "bad $n" >&2; exit 65; }; echo "$n"';
  const workspace = forSuite(() => Workspace.withLongLeases());
  let job = '';
  before(async () => {
    workspace.write('job.json', whyJobFile(3, run, { step: { attempts: 1 } }));
    job = await workspace.submit();
    await workspace.run(['run', job]);
  });

  const typed = async (argv: readonly string[], world: FakeWorld = {}) => {
    const env = { HOME: workspace.dir, BATCHCTL_PROFILE: 'local', PATH: process.env.PATH ?? '' };
    const ended = await withEnvironment(env, () => runCli(argv, { cwd: workspace.dir, env, ...world }));
    if (ended === null) throw new Error('the environment differs');
    return ended;
  };
  const rounds = async (): Promise<number> => JSON.parse((await typed(['status', '--json'])).stdout).round;

  it('is the latest for every command that only looks', async () => {
    for (const words of [['logs'], ['logs', 'price/1'], ['wait'], ['why'], ['failures'], ['report'], ['verify']]) {
      const { stderr, code } = await typed(words);
      expect(stderr, words.join(' ')).to.not.include('missing required argument').and.not.include('unknown');
      expect([0, 5, 9, 11], words.join(' ')).to.include(code);
    }
    expect((await typed(['logs', 'price/1', '--json'])).stdout).to.include('"text":"bad 2');
    expect((await typed(['wait'])).stderr).to.include(`waiting for ${job}\n`);
  });

  for (const words of [
    ['retry'],
    ['cancel'],
    ['pause'],
    ['resume'],
    ['skip', '--task', 'price/1', '--reason', 'none'],
    ['adjust', '--tolerate', '1'],
    ['kill', 'price/1'],
  ]) {
    it(`is refused without a terminal by ${words.join(' ')}, with the command that names it`, async () => {
      const task = words[0] === 'kill' ? ' price/1' : '';
      for (const more of [[], ['--yes']]) {
        const { code, stdout, stderr } = await typed([...words, ...more]);
        expect({ code, stdout }).to.deep.equal({ code: 7, stdout: '' });
        expect(stderr).to.include(`error: ${words[0]}: expected a job; without a terminal`);
        expect(stderr).to.include(`hint: the latest is ${job} (failed): batchctl ${words[0]} ${job}${task}\n`);
      }
      expect(await rounds()).to.equal(0);
    });
  }

  it('is asked about on a terminal, and nothing happens for a no', async () => {
    const { code, stderr } = await typed(['retry'], { tty: true, stdin: 'n\n' });
    expect(code).to.equal(7);
    expect(stderr).to.include(`retry ${job}, the latest job (failed)? [y/N] `);
    expect(await rounds()).to.equal(0);
  });

  it('is asked about once what was typed is free of mistakes', async () => {
    const { code, stderr } = await typed(['retry', '--canary', 'no'], { tty: true, stdin: 'y\n' });
    expect(code).to.equal(2);
    expect(stderr).to.include('--canary').and.not.include('[y/N]');
  });

  it('is told by a dry run, which asks nothing', async () => {
    const { code, stdout, stderr } = await typed(['retry', '-n']);
    expect(code).to.equal(0);
    expect(stdout).to.include(`${job}: would retry 1 task`);
    expect(stderr).to.include(`job ${job}\n`);
  });

  it('is changed after a yes, and the next command works on it', async () => {
    const { code, stdout, stderr } = await typed(['retry'], { tty: true, stdin: 'y\n' });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include(`${job}, round 1: retrying 1 task`);
    expect(stderr).to.include(`work on it: batchctl run ${job}, or batchctl scale 1\n`);
    const paused = await typed(['pause', '-y'], { tty: true });
    expect(paused.code, paused.stderr).to.equal(0);
    expect(paused.stdout).to.equal(`${job} is paused\n`);
    await typed(['resume', '-y'], { tty: true });
    const cancelled = await typed(['cancel'], { tty: true, stdin: 'y\n' });
    expect(cancelled.code, cancelled.stderr).to.equal(0);
    expect(cancelled.stderr.match(/\[y\/N\]/g)).to.have.length(1);
    expect(cancelled.stderr).to.include(`cancel ${job} permanently? [y/N] `);
  });
});
