import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installed } from '../../support/run/lacking.ts';
import { run } from '../../support/servers/account.ts';
import { freePort, startProgram } from '../../support/servers/program.ts';

/** Ceph's object gateway: an S3 server that checks signatures, stores in Ceph and shares no code with an emulator. */
interface Ceph {
  readonly url: string;
  /** Ends the cluster and removes its files. */
  stop(): Promise<void>;
}

/** The keys of its only user, as environment variables. */
interface Keys {
  readonly AWS_ACCESS_KEY_ID: string;
  readonly AWS_SECRET_ACCESS_KEY: string;
}

/** The daemons' names in the keyring, and their capabilities. */
const ENTITIES: Readonly<Record<string, readonly string[]>> = {
  'mon.': ['mon', 'allow *'],
  'client.admin': ['mon', 'allow *', 'osd', 'allow *'],
  'osd.0': ['mon', 'allow *', 'osd', 'allow *'],
  'client.rgw.a': ['mon', 'allow rw', 'osd', 'allow rwx'],
};

/**
 * For a suite's `before` hook: a cluster of a monitor, an OSD with at most 4 GiB of objects in memory, and the gateway. Takes
 * about 10 s. New buckets can only be in us-east-1.
 */
export async function startCeph(keys: Keys): Promise<Ceph> {
  const gateway = installed('radosgw');
  const [monitor, osd] = [installed('ceph-mon'), installed('ceph-osd')];
  const directory = mkdtempSync(join(tmpdir(), 'ceph-'));
  const at = (name: string): string => join(directory, name);
  for (const name of ['mon', 'osd', 'rgw', 'run']) mkdirSync(at(name));
  const [monitorPort, port] = [await freePort(), await freePort()];
  const cluster = randomUUID();
  const classes = dirname(installed('ceph-base'));
  writeFileSync(at('ceph.conf'), configurationOf({ classes, directory, cluster, monitorPort, port }));
  const conf = ['-c', at('ceph.conf')];
  const tool = (command: string, ...args: readonly string[]): string => run(command, [...conf, ...args], {});
  tool('ceph-authtool', at('keyring'), '--create-keyring');
  for (const [name, capabilities] of Object.entries(ENTITIES)) {
    const caps = capabilities.flatMap((word, index) => (index % 2 === 0 ? ['--cap', word] : [word]));
    tool('ceph-authtool', at('keyring'), '--gen-key', '-n', name, ...caps);
  }
  const address = `[v2:127.0.0.1:${monitorPort}]`;
  run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', cluster, at('monmap')], {});
  tool(monitor, '--mkfs', '-i', 'a', '--monmap', at('monmap'), '--keyring', at('keyring'));

  const daemons: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    for (const daemon of daemons.reverse()) await daemon.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  const start = async (command: string, args: readonly string[], ready: () => Promise<boolean>): Promise<void> => {
    daemons.push(await startProgram({ command, args: [...conf, '-f', ...args], ready }));
  };
  try {
    const id = randomUUID();
    await start(monitor, ['-i', 'a'], async () => {
      tool('ceph', '--connect-timeout', '10', 'osd', 'new', id, '0');
      return true;
    });
    tool(osd, '-i', '0', '--mkfs', '--osd-uuid', id);
    await start(osd, ['-i', '0'], async () => /: 1 up/.test(tool('ceph', '--connect-timeout', '10', 'osd', 'stat')));
    const url = `http://127.0.0.1:${port}`;
    await start(gateway, ['-n', 'client.rgw.a'], async () => (await fetch(url)).ok);
    const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } = keys;
    const user = ['--uid=tests', '--display-name=tests', `--access-key=${key}`, `--secret=${secret}`];
    tool('radosgw-admin', 'user', 'create', ...user);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Places {
  /** The directory of object classes: Debian's packages configure a relative path, which daemons don't find. */
  readonly classes: string;
  readonly directory: string;
  readonly cluster: string;
  readonly monitorPort: number;
  readonly port: number;
}

/** One daemon of each kind, objects in memory, no manager daemon. */
function configurationOf({ classes, directory, cluster, monitorPort, port }: Places): string {
  return `[global]
fsid = ${cluster}
mon host = v2:127.0.0.1:${monitorPort}/0
mon initial members = a
ms bind msgr1 = false
public network = 127.0.0.0/8
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon max pg per osd = 10000
mon data avail crit = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class dir = ${classes}
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = ${directory}/run
admin socket = ${directory}/run/$name.asok
pid file = ${directory}/run/$name.pid
log file = ${directory}/$name.log
keyring = ${directory}/keyring
mon data = ${directory}/mon
osd data = ${directory}/osd
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw data = ${directory}/rgw
rgw thread pool size = 32
`;
}
