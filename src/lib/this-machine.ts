import { readFileSync } from 'node:fs';
import { availableParallelism, hostname, loadavg, userInfo } from 'node:os';
import type { Environment } from './environment.ts';

/**
 * Whether this machine is an EC2 instance (EC2: identify_ec2_instances): Nitro shows it by the vendor, Xen by the uuid.
 * A configured metadata service also says so.
 */
export function isEc2(env: Environment = process.env): boolean {
  if ((env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? '') !== '') return true;
  return (
    textOf('/sys/class/dmi/id/sys_vendor').startsWith('Amazon EC2') || textOf('/sys/hypervisor/uuid').startsWith('ec2')
  );
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `user@host`, for actions by a person. */
export function userAtHost(): string {
  return `${userName()}@${hostname()}`;
}

/** This process's user; its number if the system has no name for it, as in a container that runs as any user. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

/** This machine's load over the last minute, and its processors; 0 on systems that don't report it (Windows). */
export function machineLoad(): { readonly average: number; readonly cores: number } {
  return { average: loadavg()[0] ?? 0, cores: availableParallelism() };
}
