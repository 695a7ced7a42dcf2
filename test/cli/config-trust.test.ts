// Protects: nothing in a root that came with a clone, or that others may write, runs before the user has confirmed it.

import { chmodSync, cpSync, existsSync } from 'node:fs';
import { expect } from 'chai';
import { errorOf, expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('a configuration that sends a token to a new address', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const env = { BATCHCTL_PROFILE: 'far', BATCHCTL_TOKEN: 'bct_secret' };

  it('is refused by each command before anything is sent, but can be looked at and confirmed', async () => {
    // Nothing listens there: an attempt to send would end with exit 8.
    const far = { backend: 'manager', url: 'https://192.0.2.1:9' };
    workspace.write('batchctl.config.json', { profiles: { far } });
    workspace.write('job.json', rangeJob('mine', 1, { name: 'one', run: 'cat' }));
    for (const words of [['status'], ['jobs'], ['submit', 'job.json'], ['upload', 'job.json'], ['run', 'job.json']]) {
      const error = errorOf(expectExit(await workspace.run([...words, '--json'], env), 7));
      expect(error.message).to.include('sends BATCHCTL_TOKEN to https://192.0.2.1:9, which you have not confirmed');
    }
    expect((await workspace.run(['doctor'], env)).stdout).to.match(/^fail {2}configuration +.*have not confirmed/m);
    expectExit(await workspace.run(['config', 'show'], env));
    const row = { what: 'address', value: 'https://192.0.2.1:9', reason: 'it is sent BATCHCTL_TOKEN' };
    expect(jsonLinesOf(await workspace.run(['config', 'trust', '--json'], env))).to.deep.equal([row]);
    expect(jsonLinesOf(await workspace.run(['config', 'trust', '--json'], env))).to.deep.equal([]);
    expect(jsonLinesOf(await workspace.run(['config', 'show', 'url', '--json'], env))).to.have.length(1);
  });
});

describe('an environment that turns off the check of certificates', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  it('is refused where something is sent to a server, and not for local jobs', async () => {
    const far = { backend: 'manager', url: 'https://127.0.0.1:9' };
    const aws = { backend: 'aws', region: 'eu-west-1', bucket: 'acme' };
    workspace.write('batchctl.config.json', { profiles: { far, aws } });
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', BATCHCTL_TOKEN: 'bct_secret' };
    for (const BATCHCTL_PROFILE of ['far', 'aws']) {
      const error = errorOf(expectExit(await workspace.run(['jobs', '--json'], { ...env, BATCHCTL_PROFILE }), 3));
      expect(error.message).to.include('NODE_TLS_REJECT_UNAUTHORIZED=0');
      expect(error.hint).to.include('NODE_EXTRA_CA_CERTS');
    }
    expectExit(await workspace.run(['jobs'], env));
    const checked = { BATCHCTL_PROFILE: 'far', BATCHCTL_TOKEN: 'bct_secret', NODE_TLS_REJECT_UNAUTHORIZED: '1' };
    expectExit(await workspace.run(['jobs'], checked), 8);
  });
});

describe('a root with tasks of a stranger', () => {
  const theirs = forEachTest(() => Workspace.withLongLeases());
  const mine = forEachTest(() => Workspace.withLongLeases());
  beforeEach(async () => {
    mine.write('job.json', rangeJob('mine', 1, { name: 'one', run: 'cat' }));
    theirs.write('job.json', rangeJob('trap', 1, { name: 'one', run: `touch ${mine.path('ran')}` }));
    await theirs.submit();
    cpSync(theirs.path('.batchctl'), mine.path('.batchctl'), { recursive: true });
  });
  const VERBS = [
    ['worker', '--until-empty'],
    ['status'],
    ['tick'],
    ['watch', 'last'],
    ['jobs'],
    ['run', 'job.json'],
    ['plan', 'job.json'],
  ] as const;

  it('runs none of them, until config trust has said so once', async () => {
    for (const words of VERBS) {
      const error = errorOf(expectExit(await mine.run([...words, '--json']), 7));
      expect(error.message, words.join(' ')).to.include('was not made here: it was copied, cloned or unpacked');
      expect(error.hint).to.include('batchctl config trust');
    }
    expect(existsSync(mine.path('ran'))).to.equal(false);

    const row = { what: 'root', value: mine.path('.batchctl'), reason: 'it was copied, cloned or unpacked' };
    expect(jsonLinesOf(await mine.run(['config', 'trust', '--dry-run', '--json']))).to.deep.equal([row]);
    expectExit(await mine.run(['status']), 7);
    expect(jsonLinesOf(await mine.run(['config', 'trust', '--json']))).to.deep.equal([row]);
    const again = expectExit(await mine.run(['config', 'trust']));
    expect([again.stdout, again.stderr]).to.deep.equal(['', 'everything that this profile uses is trusted already\n']);
    expectExit(await mine.work());
    expect(existsSync(mine.path('ran'))).to.equal(true);
  });

  it('that others may write to is refused whatever was confirmed, and doctor says so', async () => {
    expectExit(await mine.run(['config', 'trust']));
    chmodSync(mine.path('.batchctl'), 0o777);
    for (const words of [...VERBS, ['config', 'trust']] as const) {
      const { stderr } = expectExit(await mine.run([...words]), 3);
      expect(stderr).to.include('can be written by everyone (mode 0777').and.include('chmod -R go-w');
    }
    expect((await mine.run(['doctor'])).stdout).to.match(/^fail {2}rootMode +\S+ can be written by everyone/m);
    expect(existsSync(mine.path('ran'))).to.equal(false);
  });
});
