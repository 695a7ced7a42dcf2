// Protects: a file that a person names is read whole only if it is a file of bounded size; reading never waits or goes on for ever.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { readSmallFile } from '../../src/lib/read-file.ts';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

describe('a small file', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const read = (name: string, most = 10) => {
    const file = readSmallFile(workspace.path(name), most);
    return 'bytes' in file ? file.bytes.toString() : file;
  };

  it('is read up to the limit, also if the system tells no size, and through a link', () => {
    workspace.write('ten', '0123456789');
    symlinkSync('ten', workspace.path('link'));
    expect(read('ten')).to.equal('0123456789');
    expect(read('link')).to.equal('0123456789');
    workspace.write('empty', '');
    expect(read('empty')).to.equal('');
    expect(readSmallFile('/proc/self/status', 10)).to.deep.equal({ over: 10 });
    const status = readSmallFile('/proc/self/status', 100_000);
    expect('bytes' in status && status.bytes.toString()).to.include('Name:');
  });

  it('is not read over the limit', () => {
    workspace.write('eleven', '0123456789A');
    expect(read('eleven')).to.deep.equal({ over: 10 });
  });

  it('is not opened if it is a directory, a pipe, a socket or a device', async () => {
    mkdirSync(workspace.path('d'));
    execFileSync('mkfifo', [workspace.path('p')]);
    expect(read('d')).to.deep.equal({ found: 'a directory' });
    expect(read('p')).to.deep.equal({ found: 'a pipe' });
    expect(readSmallFile('/dev/zero', 10)).to.deep.equal({ found: 'a device' });
    const server = createServer().listen(workspace.path('s'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      expect(read('s')).to.deep.equal({ found: 'a socket' });
    } finally {
      server.close();
    }
  });

  it('is named as what it is by each command that takes one', async () => {
    execFileSync('mkfifo', [workspace.path('p')]);
    writeFileSync(workspace.path('large.yaml'), Buffer.alloc(5 * 2 ** 20, ' '));
    workspace.write('job.json', {
      name: 'a',
      input: { split: { by: 'range', from: 1, to: 2 } },
      steps: [{ name: 's', run: 'x' }],
    });
    const calendar = ['schedule', 'add', 'a', 'job.json', '--calendar', 'last-business-day', '--holidays'];
    const refused: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
      [['run', '/dev/zero'], 3, /expected a job file, found a device: \/dev\/zero\nhint: write the job into a file/],
      [['submit', 'p'], 3, /expected a job file, found a pipe: .*p\n/],
      [['plan', 'large.yaml'], 3, /expected a job file of at most 4194304 bytes, found more in .*large\.yaml/],
      [[...calendar, '/dev/zero'], 4, /--holidays \/dev\/zero: expected a file, found a device/],
      [['jobs', '--config', '/dev/zero'], 3, /can't read the configuration \/dev\/zero: it is a device/],
      [['init', '--from', 'p'], 4, /--from: expected a file or directory, found a pipe/],
    ];
    for (const [args, code, message] of refused) {
      const ended = await workspace.run(args);
      expect(ended.stderr).to.match(message);
      expect(ended.code, args.join(' ')).to.equal(code);
    }
  });
});
