// Protects: what another user of the machine puts where a person's commands read or write (configurations, roots, links,
// pipes, directories) runs nothing as that person, changes none of their files and gets none of their results. Written
// from docs/security.md, "Whose configuration is used" to "Where fetched files go".
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect } from 'chai';
import { hasCode } from '../../src/errors.ts';
import { forEachTest } from '../support/fixture.ts';
import { requireRoot } from '../support/run/lacking.ts';
import { Workspace } from '../support/workspace.ts';

/** The other user's id. The person is root, who could be led anywhere. */
const OTHER = 12_345;
const PRECIOUS = 'precious\n';
const RESULT = 'the result\n';
const RUN = ['run', '--input', 'in.txt', '--split', 'file', '--quiet'];
const CAT = ['--', 'cat'];

/** A directory in which the person works or writes, and in which the other user may put things. */
interface Shared {
  readonly workspace: Workspace;
  readonly path: (name: string) => string;
  /** Gives what is at a path to the other user. */
  give(name: string): void;
  /** Makes a link of the other user. */
  link(name: string, to: string): void;
}

interface Trap {
  readonly what: string;
  lay(shared: Shared): void;
  readonly command: readonly string[];
  /** Its exit code; 0 if the trap does no harm. */
  readonly code: number;
  readonly says?: RegExp;
}

const notifier = (shared: Shared) => ({
  profiles: { local: { backend: 'local', notify: [{ on: ['succeeded'], to: `exec:${shared.path('evil.sh')}` }] } },
});
const evil = (shared: Shared): void => {
  writeFileSync(shared.path('evil.sh'), `#!/bin/sh\ntouch ${shared.path('ran')}\n`, { mode: 0o755 });
  writeFileSync(shared.path('batchctl.config.json'), JSON.stringify(notifier(shared)));
};

const TRAPS: readonly Trap[] = [
  {
    what: 'a configuration of theirs with a notifier',
    lay: (shared) => {
      evil(shared);
      shared.give('batchctl.config.json');
    },
    command: [...RUN, ...CAT],
    code: 3,
    says: /belongs to another user/,
  },
  {
    what: 'a configuration that all may write',
    lay: (shared) => {
      evil(shared);
      chmodSync(shared.path('batchctl.config.json'), 0o666);
    },
    command: [...RUN, ...CAT],
    code: 3,
    says: /can be written by everyone/,
  },
  {
    what: 'a root of theirs',
    lay: (shared) => {
      mkdirSync(shared.path('.batchctl'), { mode: 0o777 });
      shared.give('.batchctl');
    },
    command: [...RUN, ...CAT],
    code: 3,
    says: /belongs to another user/,
  },
  {
    what: 'a root that is their link to a root of theirs',
    lay: (shared) => {
      cpSync(shared.workspace.path('.batchctl'), shared.path('theirs'), { recursive: true });
      shared.give('theirs');
      shared.link('.batchctl', shared.path('theirs'));
    },
    command: ['jobs'],
    code: 3,
    says: /belongs to another user/,
  },
  {
    what: 'a link to a file as the file of -o',
    lay: (shared) => shared.link('out.txt', shared.workspace.path('precious')),
    command: ['fetch', 'last', '-o', 'SHARED/out.txt'],
    code: 7,
    says: /a link that belongs to another user/,
  },
  {
    what: 'a link to nothing as the file of -o',
    lay: (shared) => shared.link('out.txt', shared.workspace.path('new')),
    command: ['fetch', 'last', '-o', 'SHARED/out.txt'],
    code: 7,
    says: /a link that belongs to another user/,
  },
  {
    what: 'a pipe as the file of -o',
    lay: (shared) => {
      execFileSync('mkfifo', ['-m', '666', shared.path('out.txt')]);
      shared.give('out.txt');
    },
    command: ['fetch', 'last', '-o', 'SHARED/out.txt'],
    code: 7,
    says: /a pipe that belongs to another user/,
  },
  {
    what: 'a link above the directory of -o',
    lay: (shared) => shared.link('month', shared.workspace.path('mine')),
    command: ['fetch', 'last', '-o', 'SHARED/month/out/'],
    code: 7,
    says: /a link that belongs to another user/,
  },
  {
    what: 'a link in the directory of -o, with the name of a result',
    lay: (shared) => {
      mkdirSync(shared.path('out'));
      shared.link('out/in.txt', shared.workspace.path('precious'));
    },
    command: ['fetch', 'last', '-o', 'SHARED/out/'],
    code: 0,
  },
  {
    what: 'a link to a directory in the directory of -o, with the name of one of the results',
    lay: (shared) => {
      mkdirSync(shared.path('out'));
      shared.link('out/sub', shared.workspace.path('mine'));
    },
    command: ['fetch', 'last', '-o', 'SHARED/out/', '--name', 'sub/file'],
    code: 7,
  },
  {
    what: 'a link on the way of a delivery',
    lay: (shared) => {
      shared.link('place', shared.workspace.path('mine'));
      shared.workspace.write('job.json', {
        name: 'close',
        input: { from: 'in.txt', split: { by: 'file' } },
        steps: [{ name: 'cat', run: ['cat'] }],
        deliver: { to: shared.path('place') },
      });
    },
    command: ['run', 'job.json', '--quiet'],
    code: 7,
    says: /a link that belongs to another user/,
  },
  ...['report last --format html -o', 'verify last -o', `${RUN.join(' ')} --save-job`].map(
    (words): Trap => ({
      what: `a link as the file of ${words.split(' ').at(-1)} of ${words.split(' ')[0]}`,
      lay: (shared) => {
        // Where the kernel's protected_symlinks does not help.
        chmodSync(shared.path(''), 0o777);
        shared.link('file', shared.workspace.path('precious'));
      },
      command: [...words.split(' '), 'SHARED/file', ...(words.startsWith('run') ? CAT : [])],
      code: words.startsWith('run') ? 7 : 0,
    }),
  ),
];

describe('another user of the machine', () => {
  before(() => requireRoot('own files as several users'));
  const here = forEachTest(async () => {
    const made = Workspace.withLongLeases();
    made.write('in.txt', RESULT);
    made.write('precious', PRECIOUS);
    chmodSync(made.path('precious'), 0o600);
    for (const name of ['mine', 'shared']) mkdirSync(made.path(name));
    await made.runSuccessfully(...RUN, ...CAT);
    return made;
  });

  for (const { what, lay, command, code, says } of TRAPS)
    it(`harms no one by ${what}`, async () => {
      chmodSync(here.path('shared'), 0o1777);
      const path = (name: string): string => here.path('shared', name);
      const shared: Shared = {
        workspace: here,
        path,
        give: (name) => chownSync(path(name), OTHER, OTHER),
        link: (name, to) => {
          symlinkSync(to, path(name));
          lchownSync(path(name), OTHER, OTHER);
        },
      };
      lay(shared);
      // Where the other user's things decide, the person works; otherwise they are only written to.
      const worksThere = existsSync(path('batchctl.config.json')) || existsSync(path('.batchctl'));
      if (worksThere) cpSync(here.path('in.txt'), path('in.txt'));
      const person = worksThere ? new Workspace(path('')) : here;
      const listener = listenAt(path('out.txt'));
      try {
        const words = command.map((word) => word.replace('SHARED', here.path('shared')));
        const ended = await person.run(words);
        expect(ended.code, ended.stderr).to.equal(code);
        if (says !== undefined) expect(ended.stderr).to.match(says);
        expect(listener.heard()).to.equal('');
      } finally {
        listener.close();
      }
      expect(existsSync(path('ran')), 'their program ran').to.equal(false);
      expect(readFileSync(here.path('precious'), 'utf8')).to.equal(PRECIOUS);
      expect(statSync(here.path('precious'))).to.include({ uid: 0, nlink: 1 });
      expect(readdirSync(here.path('mine'))).to.deep.equal([]);
      expect(existsSync(here.path('new'))).to.equal(false);
    });
});

/** Listens at a pipe as the other user would; hears nothing if there is none. */
function listenAt(path: string): { heard(): string; close(): void } {
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return { heard: () => '', close: () => undefined };
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return {
    heard: () => {
      const bytes = Buffer.alloc(100);
      try {
        return bytes.toString('utf8', 0, readSync(fd, bytes));
      } catch (error) {
        if (hasCode(error, 'EAGAIN')) return '';
        throw error;
      }
    },
    close: () => closeSync(fd),
  };
}
