// Fails where a package of package-lock.json lacks the address of its tarball: npm then asks the registry for all versions of the
// package first, which takes a third of the CPU of `npm ci`. npm leaves the addresses out when it writes the file, since they name
// a registry (.npmrc); `--write` puts them in, with a host that npm replaces by the configured registry's.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** No host has this name (RFC 2606). It is `replace-registry-host` in .npmrc, too. */
const HOST = 'registry.invalid';

const file = join(import.meta.dirname, '../package-lock.json');
const text = readFileSync(file, 'utf8');
const lock = JSON.parse(text);
for (const [place, entry] of Object.entries(lock.packages)) {
  if (place === '') continue;
  // An alias has the name of what it stands for.
  const name = entry.name ?? place.split('node_modules/').at(-1);
  const resolved = `https://${HOST}/${name}/-/${name.split('/').at(-1)}-${entry.version}.tgz`;
  // Names and versions come first, as npm orders them.
  const { name: alias, version, resolved: _, ...rest } = entry;
  lock.packages[place] = { ...(alias && { name: alias }), version, resolved, ...rest };
}
const whole = `${JSON.stringify(lock, null, 2)}\n`;
if (process.argv.includes('--write')) writeFileSync(file, whole);
else if (whole !== text) {
  console.error('package-lock.json lacks addresses of packages: node .ci/check-lockfile.mjs --write');
  process.exit(1);
}
