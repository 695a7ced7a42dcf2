// Protects: help, the words of other programs, other names of commands, short flags, and commands without a job.

import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { COMMANDS, findCommand } from '../../src/cli/commands.ts';
import { TOPICS } from '../../src/cli/topics.ts';
import { VERSION } from '../../src/lib/version.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { withEnvironment } from '../support/run/environment.ts';
import { rangeJobFile } from '../support/why-job.ts';
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
      const wide = example.filter((line) => line.length > 78);
      expect(wide, name).to.deep.equal([]);
    }
  });

  it('explains each topic by its name, also in two words or in the singular', async () => {
    for (const { name, text } of TOPICS) {
      for (const words of [[name], name.split('-'), [name.replace(/s$/, '')]]) {
        const { code, stdout } = await runCli(['help', ...words]);
        expect(code, words.join(' ')).to.equal(0);
        expect(stdout.replaceAll('\n', ' ')).to.include(text.slice(0, 40));
      }
    }
  });

  it('lists every command with --all, also as a flag', async () => {
    const { stdout } = await runCli(['help', '--all']);
    for (const { name, summary } of COMMANDS) {
      expect(stdout).to.include(`  ${name} `).and.include(summary.slice(0, 20));
    }
    expect(await runCli(['--help', '--all'])).to.deep.equal({ code: 0, stdout, stderr: '' });
    expect((await runCli(['help', '--all', 'run'])).code).to.equal(2);
  });

  it('of a group lists its commands', async () => {
    for (const words of [
      ['help', 'data'],
      ['data', '--help'],
    ]) {
      expect((await runCli(words)).stdout).to.match(/^Usage: batchctl data COMMAND\n[\s\S]*data put .*[\s\S]*data rm /);
    }
  });
});

describe('a word of another program', () => {
  const commands = { ps: 'jobs', qstat: 'jobs', top: 'watch', stop: 'cancel', rerun: 'retry', download: 'fetch' };
  for (const [word, command] of Object.entries(commands)) {
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
    'data put a.csv': 'upload a.csv',
    'data ls x/': 'ls x/',
    'data list x/': 'ls x/',
    'data rm x': 'rm x',
    list: 'ls',
    'schedule list': 'schedule ls',
    'manager token ls': 'manager token list',
    'jobs list': 'jobs',
  };
  for (const [alias, command] of Object.entries(names)) {
    it(`${alias} is ${command}`, () => {
      const found = findCommand(alias.split(' '));
      const expected = findCommand(command.split(' '));
      expect(found?.entry.name).to.equal(expected?.entry.name);
      expect(found?.words).to.deep.equal(expected?.words);
    });
  }
});

describe('version', () => {
  const workspace = forEachTest(() => new Workspace());

  it('the command adds the facts for a bug report, also with an invalid configuration', async () => {
    const found = await workspace.run(['version', '--json']);
    expect(JSON.parse(found.stdout)).to.deep.equal({
      version: VERSION,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
      profile: 'local',
      backend: 'local',
      storeFormat: 1,
    });
    workspace.write('batchctl.config.json', '{');
    const { code, stdout, stderr } = await workspace.run(['version']);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^batchctl +\S+\nnode +\d+[.]\S+\n[\s\S]*backend +unknown\n/);
    expect(stderr).to.match(/^warning: /);
  });
});

describe('a command without a job', () => {
  const run = 'read n; [ "$n" != 2 ] || { echo "bad $n" >&2; exit 65; }; echo "$n"';
  const workspace = forSuite(() => Workspace.withLongLeases());
  let job = '';
  before(async () => {
    workspace.write('job.json', rangeJobFile(3, run, { step: { attempts: 1 } }));
    job = await workspace.submit();
    await workspace.run(['run', job]);
  });

  const type = async (argv: readonly string[], world: FakeWorld = {}) => {
    const env = { HOME: workspace.dir, BATCHCTL_PROFILE: 'local', PATH: process.env.PATH ?? '' };
    const ended = await withEnvironment(env, () => runCli(argv, { cwd: workspace.dir, env, ...world }));
    if (ended === null) throw new Error('the environment differs');
    return ended;
  };
  const rounds = async (): Promise<number> => JSON.parse((await type(['status', '--json'])).stdout).round;

  it('uses the latest job if it changes nothing', async () => {
    for (const words of [['logs'], ['logs', 'price/1'], ['wait'], ['why'], ['failures'], ['report'], ['verify']]) {
      const { stderr, code } = await type(words);
      expect(stderr, words.join(' ')).to.not.include('missing required argument').and.not.include('unknown');
      expect([0, 5, 9, 11], words.join(' ')).to.include(code);
    }
    expect((await type(['logs', 'price/1', '--json'])).stdout).to.include('"text":"bad 2');
    expect((await type(['wait'])).stderr).to.include(`waiting for ${job}\n`);
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
    it(`is refused without a terminal, with the command that names the job: ${words.join(' ')}`, async () => {
      const task = words[0] === 'kill' ? ' price/1' : '';
      for (const more of [[], ['--yes']]) {
        const { code, stdout, stderr } = await type([...words, ...more]);
        expect({ code, stdout }).to.deep.equal({ code: 7, stdout: '' });
        expect(stderr).to.include(`error: ${words[0]}: expected a job; without a terminal`);
        expect(stderr).to.include(`hint: the latest is ${job} (failed): batchctl ${words[0]} ${job}${task}\n`);
      }
      expect(await rounds()).to.equal(0);
    });
  }

  it('asks on a terminal, and does nothing for a no', async () => {
    const { code, stderr } = await type(['retry'], { tty: true, stdin: 'n\n' });
    expect(code).to.equal(7);
    expect(stderr).to.include(`retry ${job}, the latest job (failed)? [y/N] `);
    expect(await rounds()).to.equal(0);
  });

  it('asks only if its flags are valid', async () => {
    const { code, stderr } = await type(['retry', '--canary', 'no'], { tty: true, stdin: 'y\n' });
    expect(code).to.equal(2);
    expect(stderr).to.include('--canary').and.not.include('[y/N]');
  });

  it('asks nothing in a dry run, and names the job', async () => {
    const { code, stdout, stderr } = await type(['retry', '-n']);
    expect(code).to.equal(0);
    expect(stdout).to.include(`${job}: would retry 1 task`);
    expect(stderr).to.include(`job ${job}\n`);
  });

  it('changes the job after a yes, and the next command works on it', async () => {
    const { code, stdout, stderr } = await type(['retry'], { tty: true, stdin: 'y\n' });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include(`${job}, round 1: retrying 1 task`);
    expect(stderr).to.include(`work on it: batchctl run ${job}, or batchctl scale 1\n`);
    const paused = await type(['pause', '-y'], { tty: true });
    expect(paused.code, paused.stderr).to.equal(0);
    expect(paused.stdout).to.equal(`${job} is paused\n`);
    await type(['resume', '-y'], { tty: true });
    const cancelled = await type(['cancel'], { tty: true, stdin: 'y\n' });
    expect(cancelled.code, cancelled.stderr).to.equal(0);
    expect(cancelled.stderr.match(/\[y\/N\]/g)).to.have.length(1);
    expect(cancelled.stderr).to.include(`cancel ${job} permanently? [y/N] `);
  });
});
