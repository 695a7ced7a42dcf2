// Protects: the manager starts with one command, stops without losing a change, and explains why it cannot start.

import { connect, createServer } from 'node:net';
import { expect } from 'chai';
import { isSupervised } from '../../src/adapters/local/ensure-supervisor.ts';
import { keeperKey } from '../../src/model/keys.ts';
import { AwsWorkspace } from '../support/aws-workspace.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { linesOf, listeningLine, MANAGER } from '../support/manager/manager-lines.ts';
import { rangeJob } from '../support/range-job.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { until } from '../support/until.ts';
import { type Running, Workspace } from '../support/workspace.ts';

describe("a manager's life cycle", () => {
  const workspace = forEachTest(() => new Workspace());
  beforeEach(() => {
    workspace.write('job.json', rangeJob('claims', 2, { name: 'price', run: 'echo done' }));
  });

  const start = (...args: readonly string[]): Running => workspace.start([...MANAGER, ...args]);

  it('starts a manager and its workers with one command', async () => {
    const running = start('--workers', '1');
    const { address } = await listeningLine(running);
    expect((await fetch(`${address}/healthz`)).status).to.equal(200);
    const authorization = `Bearer ${await workspace.token('ann', 'operate')}`;
    const job = await workspace.submit();
    await until('the job succeeded', async () => {
      const answer = await fetch(`${address}/api/v1/jobs/${job}`, { headers: { authorization } });
      return ((await answer.json()) as { state: string }).state === 'succeeded';
    });
    await workspace.run(['scale', '0']);
    await until('the supervisor has left', () => !isSupervised(workspace.path('.batchctl'), 'default'));
    await until('the workers have left', async () => (await workspace.run(['workers', '--json'])).stdout === '');
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code, stderr).to.equal(0);
    // In a journal: one line per event, each with its time.
    for (const line of linesOf(running)) expect(new Date(line.at).toISOString(), line.text).to.equal(line.at);
    expect(stderr.split('\n').filter((line) => line !== '' && !/^(->|\{)/.test(line))).to.deep.equal([]);
  });

  it('prints its address, and how to create a token', async () => {
    const running = workspace.start(['manager', '--listen', '127.0.0.1:0']);
    await until('the manager listens', () => running.printed().includes('listening'));
    expect(running.printed()).to.match(/^\S+Z listening at http:\/\/127\.0\.0\.1:\d+.*batchctl manager token create/m);
    running.child.kill('SIGINT');
    expect((await running.ended).code).to.equal(0);
  });

  it('exits 8 if another process uses its port, and says what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await until('the port is taken', () => taken.address());
    const { port } = taken.address() as { readonly port: number };
    const { code, stderr } = await workspace.run(['manager', '--listen', `127.0.0.1:${port}`]);
    taken.close();
    expect(code, stderr).to.equal(8);
    expect(stderr)
      .to.include(`can't listen at 127.0.0.1:${port}: another process uses it`)
      .and.include('--listen HOST:PORT');
  });

  it('refuses an invalid address, and a profile that itself uses a manager', async () => {
    for (const address of ['8787', 'localhost', '127.0.0.1:70000', 'http://127.0.0.1:80'])
      expect((await workspace.run(['manager', '--listen', address])).code, address).to.equal(2);
    workspace.write('batchctl.config.json', {
      profiles: { far: { backend: 'manager', url: 'https://198.51.100.7' }, local: { backend: 'local' } },
    });
    const { code, stderr } = await workspace.run(['manager', '--profile', 'far']);
    expect(code, stderr).to.equal(3);
    expect(stderr).to.include('manager');
  });

  it('informs watchers that it is leaving, and accepts no more calls, after SIGTERM', async () => {
    const running = start();
    const { address } = await listeningLine(running);
    const authorization = `Bearer ${await workspace.token('ann', 'operate')}`;
    const job = await workspace.submit();
    const watching = await fetch(`${address}/api/v1/verbs`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'wait', input: { job } }),
    });
    const { store } = await workspace.platform();
    await until('the manager leaves its mark', async () => {
      for await (const key of store.keys(keeperKey('').replace('.json', ''))) if (key.includes('manager-')) return true;
      return false;
    });
    running.child.kill('SIGTERM');
    const frames = (await watching.text()).trim().split('\n');
    const { exit, error } = JSON.parse(frames.at(-1) ?? '');
    expect(exit).to.equal(8);
    expect(error.message).to.equal('the manager is leaving');
    expect(error.hint).to.include('the same command again');
    expect((await running.ended).code).to.equal(0);
    const refused = await fetch(`${address}/healthz`).catch((reason: unknown) => reason);
    expect(refused).to.be.instanceOf(Error);
  });

  it('ends at once after a second SIGTERM, whatever is running', async () => {
    const running = start();
    const { port } = new URL((await listeningLine(running)).address);
    // A call that is still being sent keeps it running for ten seconds; then it would exit with 0.
    const call = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    let received = '';
    call.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    const head = [
      'POST /api/v1/verbs HTTP/1.1',
      'Host: here',
      `Authorization: Bearer ${await workspace.token('ann', 'read')}`,
      'Content-Type: application/json',
      'Content-Length: 100',
      'Expect: 100-continue',
    ];
    call.write(`${head.join('\r\n')}\r\n\r\n{`);
    await until('the manager has the call', () => received.includes('100 Continue'));
    running.child.kill('SIGTERM');
    await until('the manager is leaving', () => linesOf(running).some(({ event }) => event === 'leaving'));
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code, stderr).to.equal(143);
    call.destroy();
  });
});

describe('a manager whose store hangs', () => {
  const proxy = forSuite(async () => FaultProxy.start((await sharedMoto()).url));
  const workspace = forSuite(async () => AwsWorkspace.make({ s3: proxy.url, sqs: (await sharedFauxqs()).url }));

  it('ends with the reason, so that systemd restarts it', async () => {
    proxy.fail(Number.POSITIVE_INFINITY, { kind: 'hang' }, ({ url }) => String(url).includes('open'));
    // The event loop may be blocked for six seconds, as on a busy machine, and a duty for six times as long.
    const running = workspace.start(MANAGER, { BATCHCTL_TEST_LOOP_SECONDS: '6' });
    const { signal, stderr } = await running.ended;
    expect(signal, stderr).to.equal('SIGKILL');
    expect(stderr).to.match(/the manager hangs and is terminated: its duty "jobs" showed no activity for at least/);
  });
});
