// Protects: the events that a user requests are sent, signed and without loss, and a failing receiver delays no job.
import { createHmac } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { tickId } from '../../src/jobs/keeper-mark.ts';
import { keeperKey, NEWS_PREFIX, NOTICES_PREFIX } from '../../src/model/keys.ts';
import { expectExit, expectKilled, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { rangeJob } from '../support/range-job.ts';
import { makeCertificates } from '../support/servers/certificates.ts';
import { HookServer, type Post } from '../support/servers/hook-server.ts';
import { keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const SECRET = 'a secret of the receiver';

describe('notifications', () => {
  const workspace = forEachTest(() => new Workspace());
  const hook = forEachTest(() => HookServer.start());

  const url = (): string => `http://127.0.0.1:${hook.port}/hook?key=k`;
  const job = (fields: Readonly<Record<string, unknown>> = {}): void =>
    workspace.write('job.json', {
      ...rangeJob('count', 3, { name: 'work', run: 'cat' }),
      notify: [{ on: ['succeeded', 'failed', 'paused', 'late', 'no-start'], to: url(), secret: 'env:HOOK_SECRET' }],
      ...fields,
    });
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    workspace.run(args, { HOOK_SECRET: SECRET, ...env });
  const well = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    expectExit(await run(args, env));
  /** A worker in this process. */
  const work = async (): Promise<Ended> => expectExit(await workspace.work({ HOOK_SECRET: SECRET }));
  const received = (): readonly string[] => hook.bodies.map(({ event, id }) => `${event} ${id}`);
  const storedKeys = async (prefix: string): Promise<readonly string[]> =>
    keysBelow((await workspace.platform()).store, prefix);
  /** The notifications of the last job that its status reports as not sent. */
  const unsent = async (env: Readonly<Record<string, string>> = {}) =>
    jsonOf(await run(['status', 'last', '--json'], env)).untold;
  /** The environment of processes whose clock is this many minutes ahead. */
  const ahead = (minutes: number): Readonly<Record<string, string>> =>
    movedClock(new Date(Date.now() + minutes * 60_000).toISOString());

  it('announces the end of a job once, signed, with its status and an id', async () => {
    job();
    const began = Date.now();
    const { job: id } = jsonOf(await run(['run', 'job.json', '--run-key', 'month-end-2026-11', '--json']));
    expect(hook.posts).to.have.length(1);
    const [post] = hook.posts as [Post];
    expect(post).to.include({ method: 'POST', path: '/hook?key=k' });
    const body = JSON.parse(post.text);
    expect(body).to.include({ format: 1, event: 'succeeded', name: 'count', runKey: 'month-end-2026-11' });
    expect(body.job).to.equal(id);
    expect(body.id).to.match(/^count-.*[.]\d+[.]succeeded$/);
    expect(body.status).to.include({ job: body.job, state: 'succeeded' });
    expect(body.status.steps[0]).to.include({ name: 'work', done: 3 });
    expect(post.headers['x-batchctl-event-id']).to.equal(body.id);
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(post.headers['x-batchctl-signature'])) ?? [];
    expect(v1).to.equal(createHmac('sha256', SECRET).update(`${t}.${post.text}`).digest('hex'));
    expect(Number(t)).to.be.within(Math.floor(began / 1_000), Date.now() / 1_000);
    expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
    expect(await unsent()).to.deep.equal([]);
    await well(['watch', 'last']);
    await well(['tick']);
    expect(hook.posts).to.have.length(1);
  });

  it('announces a failure, a cancellation and the end of a retry once each', async () => {
    job({ steps: [{ name: 'work', run: '[ -e "$HOME/ok" ] && cat', attempts: 1 }] });
    await workspace.submit();
    await work();
    expectExit(await run(['wait', 'last']), 5);
    workspace.write('ok', '');
    await well(['retry', 'last']);
    await work();
    await well(['wait', 'last']);
    const id = await workspace.submit();
    await well(['cancel', id, '--yes']);
    expect(hook.bodies.map(({ event, status }) => `${event} ${(status as { state: string }).state}`)).to.deep.equal([
      'failed failed',
      'succeeded succeeded',
      'failed cancelled',
    ]);
    expect(new Set(received()).size).to.equal(3);
  });

  for (const [kill, posts] of [
    ['before-close:1', 1],
    ['close:1', 1],
    ['notice-claimed:1', 1],
    ['notice-sent:1', 2],
    ['notice-marked:1', 1],
  ] as const) {
    it(`a watcher killed at ${kill} notifies ${posts === 1 ? 'once' : 'twice, with the same id'}`, async () => {
      job();
      await workspace.submit();
      expectKilled(await workspace.work({ HOOK_SECRET: SECRET, BATCHCTL_TEST_KILL: kill }));
      const early = hook.posts.length;
      await work();
      await well(['tick']);
      if (kill.startsWith('notice-claimed') || kill.startsWith('notice-sent')) {
        expect(hook.posts, 'the killed attempt may still be on its way').to.have.length(early);
        await well(['tick'], ahead(2));
      }
      await well(['tick'], ahead(3));
      expect(hook.posts).to.have.length(posts);
      expect(new Set(received()).size).to.equal(1);
      expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
    });
  }

  it('retries a failing receiver less and less often for a day, without delaying the job', async () => {
    job();
    hook.answer = { status: 503, text: 'down for maintenance' };
    await workspace.submit();
    const worked = await work();
    await well(['wait', 'last']);
    expect(hook.posts).to.have.length(1);
    const line = (ended: Ended): string => `${ended.stdout}${ended.stderr}`;
    expect(worked.stderr + line(await run(['status', 'last']))).to.include('down for maintenance');
    await well(['tick']);
    expect(hook.posts).to.have.length(1);
    const second = expectExit(await run(['tick'], ahead(2)), 8);
    expect(second.stderr).to.include('127.0.0.1').and.include('503').and.not.include('key=k');
    expect(hook.posts).to.have.length(2);
    await run(['tick'], ahead(3));
    expect(hook.posts, 'the second retry waits twice as long').to.have.length(2);
    const [notice] = await unsent();
    expect(notice).to.include({ to: `http://127.0.0.1:${hook.port}/...`, tries: 2 });
    expect(notice.message).to.include('503');
    expect(Date.parse(notice.next)).to.be.above(Date.now());
    expect((await run(['why', 'last'])).stdout).to.include('could not be notified');
    const late = ahead(24 * 60 + 5);
    await well(['tick'], late);
    expect(hook.posts).to.have.length(2);
    expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
    expect((await unsent(late))[0]).to.include({ next: null });
    expect((await run(['doctor'])).stdout)
      .to.include('succeeded')
      .and.include('given up after a day');
  });

  it("announces a guard's pause, but not a person's", async () => {
    job({
      halt: '1%',
      input: { split: { by: 'range', from: 1, to: 300 } },
      // Slow enough that the guard decides before all have failed, however busy the machine is.
      steps: [{ name: 'work', run: 'sleep 0.2; exit 1', attempts: 1 }],
    });
    await workspace.submit();
    await work();
    expectExit(await run(['wait', 'last']), 7);
    expect(hook.bodies.map(({ event }) => event)).to.deep.equal(['paused']);
    job();
    const id = await workspace.submit();
    await well(['pause', id]);
    await well(['tick']);
    expect(hook.posts).to.have.length(1);
  });

  it('announces a missed deadline once while the job is open, and when it ends', async () => {
    job();
    await workspace.submit('--finish-by', 'in 1h');
    for (let times = 0; times < 2; times += 1) await well(['tick'], ahead(61));
    expect(hook.bodies.map(({ event }) => event)).to.have.members(['late', 'no-start']);
    expect(hook.bodies.find(({ event }) => event === 'late')?.text).to.include('has passed');
  });

  it('passes the body to a program of the profile on stdin, without a shell, and ends what it leaves running', async () => {
    workspace.write(
      'page.sh',
      '#!/bin/sh\ncat >"$BATCHCTL_EVENT.json"\necho "$1 $BATCHCTL_JOB" >>calls\nsleep 300 &\n',
    );
    chmodSync(workspace.path('page.sh'), 0o755);
    workspace.write('batchctl.config.json', {
      profile: 'local',
      profiles: { local: { backend: 'local', notify: [{ on: ['succeeded'], to: 'exec:./page.sh' }] } },
    });
    job({ notify: [] });
    const { job: id } = jsonOf(await run(['run', 'job.json', '--json']));
    expect(workspace.lines('calls')).to.deep.equal([`succeeded ${id}`]);
    expect(JSON.parse(readFileSync(workspace.path('succeeded.json'), 'utf8'))).to.include({ job: id });
    expect(hook.posts).to.have.length(0);
    expect(sleeping(workspace.dir)).to.deep.equal([]);
  });

  it('announces a scheduled job that was not started in time, even if the first tick to do so is killed', async () => {
    job();
    await well(
      ['schedule', 'add', 'nightly', 'job.json', '--cron', '15 4 * * *', '--tz', 'UTC', '--catch-up', '1h'],
      movedClock('2026-11-29T12:00:00Z'),
    );
    await well(['tick'], movedClock('2026-11-29T12:01:00Z'));
    const after = movedClock('2026-11-30T06:00:00Z');
    expectKilled(await run(['tick'], { ...after, BATCHCTL_TEST_KILL: 'notice-claimed:1' }));
    expect(hook.posts).to.have.length(0);
    const then = movedClock('2026-11-30T06:02:30Z');
    await well(['tick'], then);
    expect(received()).to.deep.equal(['no-start nightly@2026-11-30T04:15.no-start']);
    expect(hook.bodies[0]).to.include({ schedule: 'nightly', period: '2026-11-30T04:15', job: null, status: null });
    await well(['tick'], then);
    expect(hook.posts).to.have.length(1);
    expect(await (await workspace.platform()).store.head(keeperKey(tickId()))).to.not.equal(null);
  });

  it('a manager sends the notification that a killed worker left unsent', async () => {
    job();
    await workspace.submit();
    expectKilled(await workspace.work({ HOOK_SECRET: SECRET, BATCHCTL_TEST_KILL: 'close:1' }));
    const manager = workspace.start(['manager', '--listen', '127.0.0.1:0'], { HOOK_SECRET: SECRET });
    await until('the receiver is notified', () => hook.posts.length > 0 || manager.child.exitCode !== null);
    manager.child.kill('SIGTERM');
    expectExit(await manager.ended);
    expect(hook.bodies.map(({ event }) => event)).to.deep.equal(['succeeded']);
    expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
  });

  describe('over https', () => {
    const certified = forSuite(async () => {
      const own = new Workspace();
      return { ...(await makeCertificates(own.dir, {})), remove: () => own.remove() };
    });
    const secure = forEachTest(() => HookServer.start(certified));
    let trusted: Readonly<Record<string, string>>;
    beforeEach(() => {
      trusted = { HOOK_SECRET: SECRET, NODE_EXTRA_CA_CERTS: certified.ca };
      job({ notify: [{ on: ['succeeded'], to: `https://localhost:${secure.port}/hook`, secret: 'env:HOOK_SECRET' }] });
    });

    for (const [what, answer, message] of [
      ['fails', { status: 503, text: 'down for maintenance' }, '503'],
      ['hangs', 'hang', 'no answer'],
      ['breaks off', 'reset', 'localhost'],
    ] as const) {
      it(`a receiver that ${what} does not delay the end of a job, and is notified later`, async () => {
        secure.answer = answer;
        await workspace.submit();
        expectExit(await workspace.work(trusted));
        expect(jsonOf(await well(['status', 'last', '--json']))).to.include({ state: 'succeeded' });
        expect(JSON.stringify(await unsent())).to.include(message);
        expect(secure.posts).to.have.length(1);
        secure.answer = { status: 200 };
        await well(['tick'], { ...trusted, ...ahead(2) });
        const [first, second] = secure.posts as [Post, Post];
        expect(secure.posts).to.have.length(2);
        expect(second.headers['x-batchctl-event-id']).to.equal(first.headers['x-batchctl-event-id']);
        expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
      });
    }

    it('sends nothing to a receiver with an untrusted certificate, and status says why', async () => {
      await workspace.submit();
      await work();
      expect(JSON.stringify(await unsent()))
        .to.include('its certificate is not trusted')
        .and.include(`localhost:${secure.port}`);
      expect(secure.posts).to.have.length(0);
    });
  });

  it('writes no notices for a job without receivers', async () => {
    job({ notify: [] });
    await workspace.submit();
    await work();
    await well(['wait', 'last']);
    expect(await storedKeys(NOTICES_PREFIX)).to.deep.equal([]);
    expect(await storedKeys(NEWS_PREFIX)).to.deep.equal([]);
  });
});

/** Processes that sleep in a directory. */
function sleeping(dir: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\u0000300') &&
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(dir)
        );
      } catch {
        return false;
      }
    });
}
