// Protects: a command's variables, secrets among them, are in no arguments of a process, which every user can read.
import { expect } from 'chai';
import { commandScript } from '../../src/worker/command-script.ts';

describe('the script that starts a command', () => {
  const command = {
    run: ['/bin/program', 'argument'],
    cwd: '/slot/run',
    stdin: null,
    stdout: '/slot/out',
    stderr: '/slot/err',
    attempt: 'a',
    timeoutMs: 1_000,
    graceMs: 1_000,
    stallMs: null,
    stderrLimit: 1_000,
    outputs: [],
    env: { KEY: 'hunter2', MAIL_PASSWORD: 'hunter2', RANDOM: 'public' },
  };
  const scriptAs = (as: string | null, env: Readonly<Record<string, string>> = command.env): string =>
    commandScript({ ...command, env }, { program: '/bin/program', worker: 'w', fifo: '/slot/fifo', mark: 'ended', as });

  it('assigns variables in a shell before the words of the command', () => {
    const script = scriptAs(null);
    expect(script.split('hunter2')).to.have.length(3);
    // The arguments begin with the program, or with env for names that shells use themselves.
    const [before = '', after = ''] = script.split(' /usr/bin/env ');
    expect(before).to.match(/ KEY=\S*hunter2\S* MAIL_PASSWORD=\S*hunter2\S* /);
    expect(after)
      .to.match(/^RANDOM=\S*public\S* \S*\/bin\/program\S* \S*argument/)
      .and.not.include('hunter2');
    expect(scriptAs(null, { KEY: 'hunter2' })).to.not.include('env ');
  });

  it('assigns them to another user in what its shell reads, not in the words that start that shell', () => {
    const [started = '', ...read] = scriptAs('setpriv --').split('\n');
    expect(started).to.include('setpriv -- /bin/sh -s').and.not.include('hunter2');
    expect(read.filter((line) => line.includes('hunter2')).map((line) => line.replace(/=.*/, ''))).to.deep.equal([
      'export KEY',
      'export MAIL_PASSWORD',
    ]);
  });
});
