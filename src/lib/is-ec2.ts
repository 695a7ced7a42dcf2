import { readFileSync } from 'node:fs';

/** Whether this machine is an instance of EC2 (EC2: identify_ec2_instances; Nitro tells it by its vendor). */
export function isEc2(): boolean {
  try {
    return readFileSync('/sys/class/dmi/id/sys_vendor', 'utf8').startsWith('Amazon EC2');
  } catch {
    return false;
  }
}
