// Protects: emulated instances boot, restart and end programs as real ones do, so that grid tests can be trusted.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { forEachTest, forSuite } from '../fixture.ts';
import { until } from '../until.ts';
import { openAccount } from './emulated-account.ts';
import { readDisk, Supervisor } from './supervisor.ts';

interface Units {
  /** Further settings of the worker's unit. */
  readonly unit: string;
  /** The program of the unit `after.service`. */
  readonly after: string;
}

/** A boot that writes a unit and starts it. */
const bootScript = (program: string, { unit, after }: Units): string => `#!/bin/bash
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
  const launch = async (program: string, units: Units = { unit: '', after: '' }): Promise<string> => {
    number += 1;
    const { LaunchTemplateVersion } = await account.ec2.createLaunchTemplateVersion({
      LaunchTemplateName: 'work',
      SourceVersion: '1',
      LaunchTemplateData: { UserData: Buffer.from(bootScript(program, units)).toString('base64') },
    });
    const { id } = await account.makeInstance(`run-${number}`, {
      LaunchTemplate: { LaunchTemplateName: 'work', Version: String(LaunchTemplateVersion?.VersionNumber) },
      NewInstancesProtectedFromScaleIn: false,
      LifecycleHookSpecificationList: [],
    });
    return id;
  };
  const written = (instance: string, file: string) =>
    until(`${file} is written`, () => readDisk(supervisor, instance, file) || null);

  it("boots by the instance's own user-data, and runs its unit with the unit's environment", async () => {
    const id = await launch('echo "$GREETING $BATCHCTL_TEST_WORD $AWS_ENDPOINT_URL" >"$BATCHCTL_ROOT/output"');
    expect(await written(id, 'output')).to.equal(`hello word ${account.cloud.url}\n`);
    await until('the unit has ended', () => supervisor.console(id).includes('unit batchctl-worker.service ended: 0'));
    expect(supervisor.console(id)).to.include(`boot of ${await account.cloud.grid.imdsUrl(id)}`);
    expect(supervisor.starts).to.equal(1);
  });

  it('starts a unit again that failed, unless with the exit code that forbids it', async () => {
    const id = await launch(
      'echo x >>"$BATCHCTL_ROOT/starts"; [[ $(wc -l <"$BATCHCTL_ROOT/starts") -lt 3 ]] && kill -9 $$; exit 7',
    );
    await until('the unit has failed', () => supervisor.console(id).includes('ended: 7'));
    expect(readDisk(supervisor, id, 'starts')).to.equal('x\nx\nx\n');
    expect(readDisk(supervisor, id, 'batchctl-worker.service.state')).to.equal('failed\n');
  });

  it('starts the OnFailure unit after too many starts, again and again until it ends well', async () => {
    const id = await launch('echo x >>"$BATCHCTL_ROOT/starts"; exit 1', {
      unit: 'OnFailure=after.service\nStartLimitIntervalSec=3600\nStartLimitBurst=4',
      after:
        'echo x >>"$BATCHCTL_ROOT/tried"; [[ $(wc -l <"$BATCHCTL_ROOT/tried") -gt 1 ]] && touch "$BATCHCTL_ROOT/given-up"',
    });
    await until('the unit after it has succeeded', () => existsSync(join(supervisor.disk(id), 'given-up')));
    expect(readDisk(supervisor, id, 'starts')).to.equal('x\n'.repeat(4));
    expect(readDisk(supervisor, id, 'tried')).to.equal('x\nx\n');
  });

  it("signals an ending instance's program, and then kills all its processes", async () => {
    const id = await launch(
      'trap "echo signalled >\\"$BATCHCTL_ROOT/signal\\"" TERM; setsid sleep 300 & echo $! >"$BATCHCTL_ROOT/pid"; while :; do wait; done',
    );
    const pid = Number(await written(id, 'pid'));
    await account.resize(`run-${number}`, 0);
    await written(id, 'signal');
    await until('the child has ended', () => !isAlive(pid));
  });

  it('kills a lost instance at once', async () => {
    const id = await launch(
      'trap "echo signalled >\\"$BATCHCTL_ROOT/signal\\"" TERM; echo $$ >"$BATCHCTL_ROOT/pid"; while :; do sleep 0.05; done',
    );
    const pid = Number(await written(id, 'pid'));
    account.cloud.grid.kill(id);
    await until('the program has ended', () => !isAlive(pid));
    expect(readDisk(supervisor, id, 'signal')).to.equal('');
    await until('a replacement runs', () => supervisor.starts === 2);
  });
});
