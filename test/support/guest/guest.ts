/**
 * Instances of an emulated group as whole systems. systemd-nspawn boots Debian with systemd and cloud-init, which reads the
 * user-data from the instance's metadata and runs it (docs/testing.md says which parts are real).
 *
 * - `GuestImages.make()` builds the images with mmdebstrap; `guest(options)` is for `GridWorld.open`.
 * - A guest has its own network, which contains only its metadata and the emulated account.
 * - The files that it writes are in its directory, below `disk`; `shared` is `/shared` in the guest.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { HostOptions, Instance } from '../grid/host.ts';
import { installed, requireRoot } from '../run/lacking.ts';

const run = promisify(execFile);

/** The services of the account, in the guest's network. */
const SERVICES = 'http://10.0.0.1';
/** Set explicitly, because the program recognizes EC2 by its firmware. Version 2 of the AWS CLI needs the slash. */
const METADATA = 'http://169.254.169.254/';
const PACKAGES = ['systemd-sysv', 'dbus', 'cloud-init', 'awscli', 'curl', 'iproute2', 'ca-certificates'];

/**
 * Files that are not unpacked, because nothing reads them (the examples are half the files of the AWS CLI) or to save half
 * the time (without py3compile and py_compile, Python compiles packages when they are used).
 */
const EXCLUDED = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/bin/py3compile',
  '/usr/lib/python3.13/py_compile.py',
  '/usr/lib/python3/dist-packages/awscli/examples/*',
];

/** Run before the first package is unpacked: reads the lists, and shortens them (needed-packages.mjs says why). */
const SHORT_LISTS = `APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get update -q --error-on=any -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= &&
'${process.execPath}' '${join(import.meta.dirname, 'needed-packages.mjs')}' "$1"/var/lib/apt/lists apt nodejs ${PACKAGES.join(' ')}`;

/** The Python modules of every boot, which are compiled once. */
const PYTHON = [
  'cloudinit.cmd.main',
  'cloudinit.sources.DataSourceEc2',
  'awscli.clidriver',
  'awscli.customizations.s3.subcommands',
  'botocore.session',
  'botocore.credentials',
];

/** Like Debian's own images, or like Amazon Linux 2023 where it differs for a boot. */
type GuestKind = 'debian' | 'amazon';

export class GuestImages {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async make(): Promise<GuestImages> {
    requireRoot('boot a guest');
    installed('systemd-container');
    const mmdebstrap = installed('mmdebstrap');
    const dir = mkdtempSync(join(tmpdir(), 'batchctl-guest-'));
    chmodSync(dir, 0o755);
    const base = join(dir, 'base');
    await run(
      'unshare',
      [
        // Its mounts, which include this machine's /dev/shm, end with it, so that removing the directory can't reach them.
        '--mount',
        mmdebstrap,
        '--mode=root',
        '--variant=apt',
        '--quiet',
        `--include=${PACKAGES.join(',')}`,
        ...(await aptOptions()),
        '--dpkgopt=force-unsafe-io',
        // With --dpkgopt, every file of the first packages would pass through Python.
        `--setup-hook=mkdir -p "$1"/etc/dpkg/dpkg.cfg.d; printf 'path-exclude=%s\\n' ${EXCLUDED.map((path) => `'${path}'`).join(' ')} >"$1"/etc/dpkg/dpkg.cfg.d/guest`,
        '--skip=update,cleanup/apt',
        `--setup-hook=${SHORT_LISTS}`,
        // The script of a package calls it, and would fail without it.
        '--essential-hook=mkdir -p "$1"/usr/lib/python3.13; touch "$1"/usr/lib/python3.13/py_compile.py',
        '--customize-hook=chroot "$1" apt-get install -y --no-install-recommends --download-only nodejs',
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd',
        '--customize-hook=rm "$1/usr/sbin/dhcpcd"',
        `--customize-hook=sed -i s,/sys/hypervisor/uuid,/etc/hypervisor-uuid, "$1"/usr/lib/python3/dist-packages/cloudinit/sources/DataSourceEc2.py`,
        `--customize-hook=chroot "$1" python3 -c 'import ${PYTHON.join(', ')}; awscli.clidriver.create_clidriver()'`,
        'trixie',
        base,
      ],
      { maxBuffer: 1 << 26 },
    );
    const images = new GuestImages(dir);
    images.#layer('debian', {});
    images.#layer('amazon', AMAZON);
    return images;
  }

  guest(kind: GuestKind, options: HostOptions): Guest {
    return new Guest(join(this.#dir, 'base'), join(this.#dir, kind), options);
  }

  async remove(): Promise<void> {
    await run('rm', ['-rf', '--one-file-system', this.#dir]);
  }

  #layer(kind: GuestKind, files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries({ ...IMAGE, ...files })) {
      const file = join(this.#dir, kind, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: path.includes('/bin/') ? 0o755 : 0o644 });
    }
  }
}

/** The settings with which this machine's apt reaches its servers, for mmdebstrap. */
export async function aptOptions(): Promise<readonly string[]> {
  const { stdout } = await run('apt-config', ['dump']);
  const lines = stdout
    .split('\n')
    .filter((line) => /^Acquire::(Check|http|https|Retries)/.test(line) && !line.endsWith('"";'));
  return lines.map((line) => `--aptopt=${line}`);
}

const IMAGE = {
  'etc/systemd/network/10-eth0.network': '[Match]\nName=eth0\n[Network]\nAddress=10.0.0.2/24\nGateway=10.0.0.1\n',
  'etc/systemd/journald.conf.d/guest.conf': '[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n',
  // It reaches no package server: apt-get installs from its cache.
  'etc/apt/apt.conf.d/99guest': 'Acquire::Retries "0";\n',
  // Replaces DHCP, which cloud-init's local stage uses before networkd runs.
  'etc/systemd/system/guest-network.service':
    '[Unit]\nDefaultDependencies=no\nBefore=cloud-init-local.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.0.1"\n',
  'etc/systemd/system/cloud-init-local.service.d/guest.conf': '[Unit]\nWants=guest-network.service\n',
  // Replaces the firmware, which identifies EC2.
  'etc/hypervisor-uuid': 'ec2e1916-9099-7caf-fd21-012345abcdef\n',
  'etc/cloud/cloud.cfg.d/99-guest.cfg':
    'datasource_list: [Ec2]\nnetwork: {config: disabled}\napt: {preserve_sources_list: true}\n',
} as const;

const AMAZON = {
  'usr/bin/rpm':
    '#!/bin/bash\n[[ $1 == -q ]] && shift && for each; do [[ -e /var/lib/stand-in/$each ]] || exit 1; done\n',
  'usr/bin/dnf':
    '#!/bin/bash\n[[ "$1 $2" == "install -y" ]] || exit 1\nshift 2\nmkdir -p /var/lib/stand-in\nfor each; do\n  touch "/var/lib/stand-in/$each"\n  if [[ $each == nodejs22 ]]; then cp /opt/node /usr/bin/node-22; fi\ndone\n',
} as const;

/** One system. */
export class Guest implements Instance {
  starts = 0;
  readonly #base: string;
  readonly #image: string;
  readonly #options: HostOptions;
  #console = '';
  #child: ChildProcess | null = null;
  #running: Promise<void> | null = null;
  #over = false;
  /** Its exit code: 0 after an orderly shutdown. */
  code: number | null = null;

  constructor(base: string, image: string, options: HostOptions) {
    this.#base = base;
    this.#image = image;
    this.#options = options;
    mkdirSync(this.shared, { recursive: true, mode: 0o755 });
    chmodSync(this.shared, 0o777);
  }

  get shared(): string {
    return join(this.#options.directory, 'shared');
  }

  console(): string {
    return this.#console;
  }

  /** A file that the guest wrote; empty if it does not exist. */
  read(path: string): string {
    const file = join(this.#options.directory, 'disk', path);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  killProgram(): void {
    throw new Error('not implemented for a guest');
  }

  /** Shuts down as by the power button, and kills the guest after a minute; at once if `grace` is 0. */
  async end(grace: number): Promise<void> {
    this.#over = true;
    const child = this.#child;
    if (child !== null) {
      if (grace > 0) {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
        await this.#running;
        clearTimeout(timer);
      } else child.kill('SIGKILL');
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    const { directory, env } = this.#options;
    const { AWS_ENDPOINT_URL: services = '', AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata = '', ...others } = env;
    const settings = Object.entries({
      ...others,
      AWS_ENDPOINT_URL: SERVICES,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: METADATA,
    }).map(([name, value]) => `"${name}=${value}"`);
    const conf = join(directory, 'disk/etc/systemd/system.conf.d/guest.conf');
    mkdirSync(dirname(conf), { recursive: true });
    writeFileSync(conf, `[Manager]\nDefaultEnvironment=${settings.join(' ')}\n`);
    const sockets = [join(directory, 'metadata'), join(directory, 'services')] as const;
    const servers = [await forwardTo(metadata, sockets[0]), await forwardTo(services, sockets[1])];
    try {
      if (this.#over) return;
      const script = join(import.meta.dirname, 'guest.sh');
      const child = spawn(
        'unshare',
        ['--mount', '--net', script, this.#base, this.#image, directory, process.execPath, ...sockets],
        { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } },
      );
      this.#child = child;
      this.starts += 1;
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          this.#console = (this.#console + chunk.toString()).slice(-400_000);
        });
      }
      const [code] = await once(child, 'close');
      this.code = code;
    } finally {
      this.#child = null;
      for (const server of servers) server.close();
    }
  }
}

/** A socket that forwards to a server of this machine. */
async function forwardTo(url: string, path: string): Promise<Server> {
  const { hostname, port } = new URL(url);
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.pipe(other);
      one.on('error', () => other.destroy());
    }
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}
