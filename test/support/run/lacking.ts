import { accessSync, appendFileSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program is missing. If a hook or a test throws this, its tests are skipped; under CI they fail (skip-lacking.ts). */
export class Lacking extends Error {}

/** Debian packages that tests need, each with the file that shows that it is installed: a name in PATH, or a path. */
const PACKAGES = {
  awscli: ['/usr/bin/aws', 'aws'],
  bc: ['bc'],
  bsdutils: ['script'],
  'ceph-base': ['/usr/lib/*/rados-classes/libcls_rgw.so.1'],
  'ceph-mon': ['ceph-mon'],
  'ceph-osd': ['ceph-osd'],
  // The full browser works, too, at twice the cost.
  'chromium-headless-shell': ['chromium-headless-shell', 'chromium'],
  cron: ['/usr/sbin/cron'],
  curl: ['curl'],
  faketime: ['/usr/lib/*/faketime/libfaketime.so.1'],
  ffmpeg: ['ffmpeg'],
  fish: ['fish'],
  iproute2: ['/usr/sbin/ip', 'ip'],
  jq: ['jq'],
  make: ['make'],
  'mariadb-server': ['/usr/sbin/mariadbd', 'mariadbd'],
  mmdebstrap: ['mmdebstrap'],
  openssl: ['openssl'],
  parallel: ['parallel'],
  podman: ['podman'],
  postgresql: ['/usr/lib/postgresql/*/bin/postgres', 'postgres'],
  python3: ['python3'],
  // Debian's first, which CI has.
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

const reported = new Set<string>();

/** The path of the file that shows that a package is installed, in its highest version. Throws `Lacking` if it isn't. */
export function installed(name: Package): string {
  const found = find(PACKAGES[name]);
  if (found !== null) return found;
  throw lacking(`${name} is not installed (apt-get install ${name})`, name);
}

/** For a test that mounts, drops rights or runs commands as other users. Throws `Lacking` unless root runs it. */
export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw lacking(`it takes root to ${what}`);
}

/** Makes the error. Prints it once, and records the package's name for the last lines of the run (.ci/reporter.cjs). */
export function lacking(what: string, name?: Package): Lacking {
  if (!reported.has(what)) {
    reported.add(what);
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
  return candidates.find(isUsable) ?? null;
}

/** The entries of a directory, the highest version first. */
function entries(directory: string): readonly string[] {
  const { compare } = new Intl.Collator('en', { numeric: true });
  return existsSync(directory) ? readdirSync(directory).sort(compare).reverse() : [];
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, path.endsWith('.so.1') ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
