// Protects: a machine becomes a worker by its user-data, works, drains when EC2 interrupts it, and shuts down cleanly.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import { COMMAND_IDS } from '../../src/model/command-ids.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import type { HostOptions } from '../support/grid/host.ts';
import { type Guest, GuestImages } from '../support/guest/guest.ts';
import { type Listening, serve } from '../support/servers/listen.ts';
import { until } from '../support/until.ts';

/** Seconds without work after which a worker leaves. */
const IDLE = 15;
const TASKS = 5;
const METADATA = 'AWS_EC2_METADATA_SERVICE_ENDPOINT';
/** Milliseconds that a boot may take on a busy machine. */
const BOOT = 400_000;

describe('a machine that boots from scratch', function () {
  this.timeout(900_000);
  let images: GuestImages;
  let world: GridWorld;
  const guests = new Map<string, Guest>();
  /** Tasks wait for it. */
  let going = false;
  /** Changes the next guest's surroundings. */
  let mute: ((options: HostOptions) => HostOptions) | null = null;

  before(async () => {
    images = await GuestImages.make();
    const group = { instances: ['c7g.large'], max: 1, slots: 2, visibility: '30s' };
    const groups = { amazon: { ...group, spot: true, packages: ['zstd'] }, debian: { ...group, spot: false } };
    const instance = (options: HostOptions): Guest => {
      const guest = images.guest(options.group.endsWith('-amazon') ? 'amazon' : 'debian', mute?.(options) ?? options);
      guests.set(options.id, guest);
      if (going) writeFileSync(join(guest.shared, 'go'), '');
      return guest;
    };
    world = await GridWorld.open(IDLE, { groups }, {}, { instance });
    await world.runSuccessfully('infra', 'up', '--yes');
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(world?.consoles());
  });
  after(async () => {
    await world?.remove();
    await images?.remove();
  });

  const of = (group: string) => world.cloud.grid.instances(`${world.stack}-${group}`);

  it('becomes a worker on Amazon Linux and Debian, loses no task to an interruption, and shuts down', async () => {
    const fenced = 'curl -s -m 5 http://169.254.169.254/latest/meta-data/';
    const work = `read n; touch /shared/$n; until [ -e /shared/go ]; do sleep 0.2; done; ${fenced}; code=$?; [ $(id -u) -ge ${COMMAND_IDS.first} ] && echo "$n $LOGNAME $code"`;
    world.write('job.json', {
      name: 'boot',
      input: { split: { by: 'range', from: 1, to: TASKS } },
      steps: [
        // With one attempt, an interruption charged to the task would fail it.
        { name: 'work', group: 'amazon', attempts: 1, run: work },
        { name: 'more', group: 'debian', attempts: 1, run: 'cat' },
      ],
    });
    const job = await world.submit();
    const [first] = await until('work has raised the group', () => of('amazon').length > 0 && of('amazon'));
    const guest = first && guests.get(first.id);
    if (first === undefined || guest === undefined) throw new Error('nothing was booted');
    await until('it works', () => existsSync(join(guest.shared, '1')), BOOT);
    const booted = (): boolean => guest.read('var/log/batchctl-boot.log').includes('batchctl-worker runs');
    await until('its boot has ended', booted, BOOT);
    // Its heartbeat of a moment ago may say that it was idle.
    const busy = new RegExp(`amazon +${first.id} +c7g.large .* busy`);
    await until('it is busy', async () => busy.test((await world.runSuccessfully('workers')).stdout), BOOT);

    world.cloud.grid.interrupt(first);
    await until('it drains', () => guest.console().includes('EC2 interrupts this spot instance'), BOOT);
    going = true;
    for (const each of guests.values()) writeFileSync(join(each.shared, 'go'), '');
    await until('it is shut down', () => guest.code !== null, BOOT);
    expect(guest.code, 'in order').to.equal(0);

    expectExit(await world.run(['wait', job, '--timeout', '10m']));
    await world.runSuccessfully('verify', job);
    await world.runSuccessfully('fetch', job, '-o', 'all.txt');
    // 7: curl could not connect.
    const lines = Array.from({ length: TASKS }, (_, task) => `${task + 1} batchctl-task 7\n`);
    expect(readFileSync(world.path('all.txt'), 'utf8')).to.equal(lines.join(''));
    const { steps } = jsonOf(await world.runSuccessfully('status', job, '--json'));
    expect(steps[0]).to.include({ total: TASKS, done: TASKS, failed: 0, retried: 0 });

    await until('nothing to do: they leave', () => of('amazon').length + of('debian').length === 0, BOOT);
    await until('all are shut down', () => [...guests.values()].every(({ code }) => code !== null), BOOT);
    expect([...guests.values()].map(({ code }) => code)).to.deep.equal([0, 0, 0]);
    expect(world.supervisor.troubles).to.deep.equal([]);
  });

  it('shuts down by itself if its metadata no longer answers', async () => {
    let real = '';
    const metadata = await muteMetadata(() => real);
    mute = (options) => {
      real = options.env[METADATA] ?? '';
      // Its second try is the last one.
      return { ...options, env: { ...options.env, [METADATA]: metadata.url, BATCHCTL_TEST_BOOT_RESPITE: '1' } };
    };
    try {
      await world.runSuccessfully('scale', '1', '--group', 'debian');
      const guest = await until('it is launched', () => guests.get(of('debian')[0]?.id ?? ''));
      await until('it is shut down', () => guest.code !== null, BOOT);
      expect(guest.code, 'in order').to.equal(0);
      mute = null;
      expect(guest.console())
        .to.include("the instance's metadata does not answer")
        .and.include('it tries again in a minute')
        .and.include('this instance could not end through its group: it shuts down');
    } finally {
      await metadata.close();
    }
  });
});

/** A proxy of an instance's metadata, which answers until the boot script, which uses curl, makes its first request. */
function muteMetadata(metadata: () => string): Promise<Listening> {
  let isMute = false;
  return serve((asked, answer) => {
    isMute ||= /^curl/.test(asked.headers['user-agent'] ?? '');
    if (isMute) {
      asked.socket.destroy();
      return;
    }
    const { method, headers, url = '/' } = asked;
    const onward = request(new URL(url, metadata()), { method, headers }, (from) => {
      answer.writeHead(from.statusCode ?? 500, from.headers);
      from.pipe(answer);
    });
    onward.on('error', () => asked.socket.destroy());
    asked.pipe(onward);
  });
}
