import { relative } from 'node:path';
import type { Profile } from '../config/profile.ts';

/**
 * The write target as one line: `-> prod: aws 123456789012 eu-west-1, stack month-end (batchctl.config.json)`. `file`
 * is the configuration's absolute path; null if none was found. Paths are shown relative to `cwd` if that is shorter.
 */
export function whereLine(profile: Profile, file: string | null, cwd: string): string {
  const source = file === null ? 'no configuration found' : shortPath(file, cwd);
  return `-> ${profile.name}: ${placeOf(profile, cwd)} (${source})`;
}

function placeOf(profile: Profile, cwd: string): string {
  switch (profile.backend) {
    case 'local':
      return shortPath(profile.root, cwd);
    case 'aws':
      return `aws ${profile.account === null ? '' : `${profile.account} `}${profile.region}, stack ${profile.stack}`;
    case 'manager':
      return `manager ${profile.url}`;
    default:
      return profile satisfies never;
  }
}

function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length ? short : path;
}
