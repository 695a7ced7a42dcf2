import { accessSync, appendFileSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a machine lacks. Thrown in a hook or a test it skips what needs that, or under CI fails it (skip-lacking.ts). */
export class Lacking extends Error {}

/** Debian's packages that tests want, each with the file that shows it is here: a name in PATH, or a path. */
const PACKAGES = {
  awscli: ['/usr/bin/aws', 'aws'],
  bsdutils: ['script'],
  'ceph-base': ['/usr/lib/*/rados-classes/libcls_rgw.so.1'],
  'ceph-mon': ['ceph-mon'],
  'ceph-osd': ['ceph-osd'],
  // The whole browser does as well, at twice the cost.
  'chromium-headless-shell': ['chromium-headless-shell', 'chromium'],
  cron: ['/usr/sbin/cron'],
  curl: ['curl'],
  faketime: ['/usr/lib/*/faketime/libfaketime.so.1'],
  fish: ['fish'],
  iproute2: ['/usr/sbin/ip', 'ip'],
  'mariadb-server': ['/usr/sbin/mariadbd', 'mariadbd'],
  mmdebstrap: ['mmdebstrap'],
  openssl: ['openssl'],
  podman: ['podman'],
  postgresql: ['/usr/lib/postgresql/*/bin/postgres', 'postgres'],
  python3: ['python3'],
  // Debian's first: it is what CI has.
  'python3-moto': ['/usr/bin/moto_server', 'moto_server'],
  radosgw: ['radosgw'],
  runc: ['/usr/sbin/runc', 'runc'],
  shellcheck: ['/usr/bin/shellcheck', 'shellcheck'],
  'systemd-container': ['systemd-nspawn'],
  systemd: ['/usr/bin/systemd-analyze', 'systemd-analyze'],
  tmux: ['tmux'],
  zsh: ['zsh'],
  zstd: ['zstd'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Package = keyof typeof PACKAGES;

const told = new Set<string>();

/** The path of what shows that the package is here, the highest version of several. Throws `Lacking` where it isn't. */
export function installed(name: Package): string {
  const found = find(PACKAGES[name]);
  if (found !== null) return found;
  throw lacking(`${name} is not installed (apt-get install ${name})`, name);
}

/** For a test that mounts, drops rights or runs as others. Throws `Lacking` where this process isn't root's. */
export function needsRoot(what: string): void {
  if (process.getuid?.() !== 0) throw lacking(`it takes root to ${what}`);
}

/** Says it once, and leaves the package's name to who ends the run (.ci/reporter.cjs). */
export function lacking(what: string, name?: Package): Lacking {
  if (!told.has(what)) {
    told.add(what);
    console.warn(`skipped: ${what}`);
    const { BATCHCTL_TEST_RUN: run } = process.env;
    if (run && name !== undefined) appendFileSync(join(run, 'lacking'), `${name}\n`);
  }
  return new Lacking(what);
}

function find(names: readonly string[]): string | null {
  const candidates = names.flatMap((name) => {
    const [root = '', rest] = name.split('*');
    if (rest !== undefined) return entries(root).map((entry) => join(root, entry, rest));
    return name.includes('/') ? [name] : (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name));
  });
  return candidates.find(isThere) ?? null;
}

/** Versions among them: the highest first. */
function entries(directory: string): readonly string[] {
  const { compare } = new Intl.Collator('en', { numeric: true });
  return existsSync(directory) ? readdirSync(directory).sort(compare).reverse() : [];
}

function isThere(path: string): boolean {
  try {
    accessSync(path, path.endsWith('.so.1') ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
