// Measures an installation of the tarball: megabytes, packages, seconds. `node bench/install.bench.mjs [--small]`
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { detail, report, workspace } from './measure.mjs';

const ROOT = join(import.meta.dirname, '..');
const directory = workspace();
npm('pack', '--ignore-scripts', '--pack-destination', directory);
const tarball = readdirSync(directory).find((name) => name.endsWith('.tgz'));
const packed = statSync(join(directory, tarball)).size;
const prefix = join(directory, 'prefix');
const begun = performance.now();
npm('install', '--global', '--offline', '--prefix', prefix, join(directory, tarball));
const seconds = (performance.now() - begun) / 1000;
const { bytes, packages } = lookThrough(join(prefix, 'lib/node_modules'));
report({
  what: 'an installation of the tarball',
  ours: `${megabytes(bytes)}, ${packages} package${packages === 1 ? '' : 's'}`,
  peer: 'from a clone with npm ci --omit=dev, before 0.2: 179 MB, 255 packages',
  goal: '36 MB, 4 packages; a tarball below 4 MB',
  met: bytes <= 36e6 && packages <= 4 && packed < 4e6,
});
detail(`tarball ${megabytes(packed)}, installed in ${seconds.toFixed(1)} s`);

function npm(...args) {
  const { status, stderr } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed: ${stderr}`);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The size of a directory on disk, in blocks, and the number of packages in it. */
function lookThrough(root) {
  let [bytes, packages] = [0, 0];
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    bytes += lstatSync(path).blocks * 512;
    if (entry.name === 'package.json' && /node_modules\/(@[^/]+\/)?[^/]+\/package[.]json$/.test(path)) packages += 1;
  }
  return { bytes, packages };
}
