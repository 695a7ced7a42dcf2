import { readFileSync } from 'node:fs';
import { availableParallelism, hostname, loadavg, userInfo } from 'node:os';

/**
 * Whether this machine is an instance of EC2 (EC2: identify_ec2_instances): Nitro tells it by its vendor, Xen by its
 * uuid. One whose metadata service is named says so by that.
 */
export function isEc2(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
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

/** `user@host`, for what a person does. */
export function person(): string {
  return `${userInfo().username}@${hostname()}`;
}

/** This machine's load over the last minute, and its processors; 0 where the system tells none (Windows). */
export function machineLoad(): { readonly average: number; readonly cores: number } {
  return { average: loadavg()[0] ?? 0, cores: availableParallelism() };
}
