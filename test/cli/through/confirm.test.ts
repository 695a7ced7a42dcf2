// Protects: through a manager, a destructive command asks where it was typed, and does nothing without a yes.

import { expect } from 'chai';
import { main } from '../../../src/cli/main.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';
import { type FakeIo, type FakeWorld, fakeIo } from '../fake-io.ts';

const NUMBERS = rangeJob('numbers', 2, { name: 'one', run: 'cat' });

describe('a destructive command through a manager', () => {
  const server = forSuite(() => ApiServer.open());
  let job: string;

  before(() => {
    const profiles = { far: { backend: 'manager', url: server.url } };
    server.workspace.write('far.json', { profile: 'far', profiles });
  });
  beforeEach(async () => {
    ({ job } = (await server.call('POST', '/jobs', { spec: NUMBERS })).json);
  });

  const stateOf = async (): Promise<string> => (await server.call('GET', `/jobs/${job}`)).json.state;
  const type = async (world: FakeWorld, ...words: readonly string[]): Promise<{ code: number; io: FakeIo }> => {
    const env = { BATCHCTL_TOKEN: await server.token('operate') };
    const io = fakeIo({ cwd: server.workspace.dir, env, ...world });
    const code = await main([...words, '--config', 'far.json'], io);
    return { code, io };
  };
  const cancel = (world: FakeWorld, ...words: readonly string[]) => type(world, 'cancel', ...words);

  it('asks on the terminal where it was typed, and does nothing for a no', async () => {
    for (const stdin of ['n\n', '\n', '']) {
      const { code, io } = await cancel({ tty: true, stdin }, job);
      expect(code).to.equal(7);
      expect(io.stderr.text).to.include(`cancel ${job} permanently? [y/N] `).and.include('error: not confirmed\n');
      expect([await stateOf(), io.stdout.text]).to.deep.equal(['running', '']);
    }
  });

  it('runs after a yes, and names its job only once', async () => {
    const { code, io } = await cancel({ tty: true, stdin: 'y\n' }, 'last');
    expect([code, io.stdout.text]).to.deep.equal([0, `${job} is cancelled\n`]);
    expect(io.stderr.text.match(new RegExp(`^job ${job}$`, 'gm'))).to.have.length(1);
    expect(await stateOf()).to.equal('cancelled');
  });

  it('is refused without a terminal, unless --yes confirms it', async () => {
    const { code, io } = await cancel({}, job);
    expect(code).to.equal(7);
    expect(io.stderr.text).to.include(`error: not confirmed: cancel ${job} permanently?\nhint: use --yes to confirm`);
    expect(await stateOf()).to.equal('running');
    expect((await cancel({}, job, '--yes')).code).to.equal(0);
    expect(await stateOf()).to.equal('cancelled');
  });

  it('asks about the latest job if none is named, and is refused without a terminal', async () => {
    const refused = await type({}, 'pause', '--yes');
    expect(refused.code).to.equal(7);
    expect(refused.io.stderr.text).to.include(`hint: the latest is ${job} (running): batchctl pause ${job}\n`);
    const { code, io } = await type({ tty: true, stdin: 'n\n' }, 'pause');
    expect(code).to.equal(7);
    expect(io.stderr.text).to.include(`pause ${job}, the latest job (running)? [y/N] `);
    expect(await stateOf()).to.equal('running');
    const paused = await type({ tty: true, stdin: 'y\n' }, 'pause');
    expect([paused.code, paused.io.stdout.text]).to.deep.equal([0, `${job} is paused\n`]);
    expect(await stateOf()).to.equal('paused');
    const cancelled = await cancel({ tty: true, stdin: 'y\n' });
    expect(cancelled.io.stderr.text.match(/\[y\/N\]/g)).to.have.length(1);
    expect([cancelled.code, await stateOf()]).to.deep.equal([0, 'cancelled']);
  });

  it('changes and asks nothing with --dry-run', async () => {
    const { code, io } = await cancel({ tty: true }, job, '--dry-run');
    expect([code, io.stdout.text]).to.deep.equal([0, `would cancel ${job}\n`]);
    expect(await stateOf()).to.equal('running');
  });
});
