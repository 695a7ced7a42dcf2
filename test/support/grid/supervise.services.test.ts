// Protects: emulated instances boot, restart and end programs as real ones do, so that grid tests can be trusted.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CreateLaunchTemplateVersionCommand } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { forEachTest, forSuite } from '../fixture.ts';
import { until } from '../until.ts';
import { openAccount } from './emulated-account.ts';
import { readDisk, Supervisor } from './supervise.ts';

/** What stands in the unit besides, and what the unit `after.service` runs. */
interface More {
  readonly unit: string;
  readonly after: string;
}

/** Writes a unit, and starts it as an instance's boot does. */
const bootOf = (program: string, { unit, after }: More): string => `#!/bin/bash
set -eu
mkdir -p "$BATCHCTL_ROOT/etc/systemd/system" "$BATCHCTL_ROOT/opt"
cat >"$BATCHCTL_ROOT/opt/run" <<'RUN'
#!/bin/bash
${program}
RUN
cat >"$BATCHCTL_ROOT/opt/after" <<'AFTER'
#!/bin/bash
${after}
AFTER
chmod +x "$BATCHCTL_ROOT/opt/run" "$BATCHCTL_ROOT/opt/after"
cat >"$BATCHCTL_ROOT/etc/systemd/system/after.service" <<UNIT
[Service]
ExecStart=$BATCHCTL_ROOT/opt/after
RestartSec=1
UNIT
cat >"$BATCHCTL_ROOT/etc/systemd/system/batchctl-worker.service" <<UNIT
[Unit]
${unit}
[Service]
ExecStart=$BATCHCTL_ROOT/opt/run
WorkingDirectory=$BATCHCTL_ROOT
Environment=GREETING=hello
Restart=on-failure
RestartPreventExitStatus=7
RestartSec=1
UNIT
systemctl start batchctl-worker.service
echo "boot of $AWS_EC2_METADATA_SERVICE_ENDPOINT"
`;

describe('the supervisor of emulated instances', () => {
  const account = forSuite(() => openAccount());
  const supervisor = forEachTest(() => new Supervisor({ cloud: account.cloud, env: { BATCHCTL_TEST_WORD: 'word' } }));
  let number = 0;
  afterEach(async () => {
    await account.resize(`run-${number}`, 0);
    expect(supervisor.troubles).to.deep.equal([]);
  });

  /** A group of one instance that runs the program. */
  const runs = async (program: string, more: More = { unit: '', after: '' }): Promise<string> => {
    number += 1;
    const { LaunchTemplateVersion } = await account.ec2.send(
      new CreateLaunchTemplateVersionCommand({
        ...{ LaunchTemplateName: 'work', SourceVersion: '1' },
        LaunchTemplateData: { UserData: Buffer.from(bootOf(program, more)).toString('base64') },
      }),
    );
    const [one] = await account.makeGroup(`run-${number}`, 1, {
      LaunchTemplate: { LaunchTemplateName: 'work', Version: String(LaunchTemplateVersion?.VersionNumber) },
      NewInstancesProtectedFromScaleIn: false,
      LifecycleHookSpecificationList: [],
    });
    return one?.id ?? '';
  };
  const wrote = (instance: string, file: string) =>
    until(`${file} is there`, () => readDisk(supervisor, instance, file) || null);

  it("boots by the instance's own user-data, and runs its unit with the unit's environment", async () => {
    const id = await runs('echo "$GREETING $BATCHCTL_TEST_WORD $AWS_ENDPOINT_URL" >"$BATCHCTL_ROOT/said"');
    expect(await wrote(id, 'said')).to.equal(`hello word ${account.cloud.url}\n`);
    await until('both are over', () => supervisor.console(id).includes('unit batchctl-worker.service ended: 0'));
    expect(supervisor.console(id)).to.include(`boot of ${await account.cloud.grid.imdsUrl(id)}`);
    expect(supervisor.starts).to.equal(1);
  });

  it('starts a unit again that failed, unless with the exit code that forbids it', async () => {
    const id = await runs(
      'echo x >>"$BATCHCTL_ROOT/starts"; [[ $(wc -l <"$BATCHCTL_ROOT/starts") -lt 3 ]] && kill -9 $$; exit 7',
    );
    await until('it is not started again', () => supervisor.console(id).includes('ended: 7'));
    expect(readDisk(supervisor, id, 'starts')).to.equal('x\nx\nx\n');
    expect(readDisk(supervisor, id, 'batchctl-worker.service.state')).to.equal('failed\n');
  });

  it('starts the OnFailure unit after too many starts, again and again until it ends well', async () => {
    const id = await runs('echo x >>"$BATCHCTL_ROOT/starts"; exit 1', {
      unit: 'OnFailure=after.service\nStartLimitIntervalSec=3600\nStartLimitBurst=4',
      after:
        'echo x >>"$BATCHCTL_ROOT/tried"; [[ $(wc -l <"$BATCHCTL_ROOT/tried") -gt 1 ]] && touch "$BATCHCTL_ROOT/given-up"',
    });
    await until('it gave up', () => existsSync(join(supervisor.disk(id), 'given-up')));
    expect(readDisk(supervisor, id, 'starts')).to.equal('x\n'.repeat(4));
    expect(readDisk(supervisor, id, 'tried')).to.equal('x\nx\n');
  });

  it("signals an ending instance's program first, and then leaves nothing of it", async () => {
    const id = await runs(
      'trap "echo told >\\"$BATCHCTL_ROOT/told\\"" TERM; setsid sleep 300 & echo $! >"$BATCHCTL_ROOT/pid"; while :; do wait; done',
    );
    const pid = Number(await wrote(id, 'pid'));
    await account.resize(`run-${number}`, 0);
    await wrote(id, 'told');
    await until('its child is gone', () => !isAlive(pid));
  });

  it('kills a lost instance at once', async () => {
    const id = await runs(
      'trap "echo told >\\"$BATCHCTL_ROOT/told\\"" TERM; echo $$ >"$BATCHCTL_ROOT/pid"; while :; do sleep 0.05; done',
    );
    const pid = Number(await wrote(id, 'pid'));
    account.cloud.grid.kill(id);
    await until('it is gone', () => !isAlive(pid));
    expect(readDisk(supervisor, id, 'told')).to.equal('');
    await until('another runs', () => supervisor.starts === 2);
  });
});
