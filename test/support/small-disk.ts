import { spawnSync } from 'node:child_process';
import { lacking } from './run/lacking.ts';

/** Mounts a disk of such a size (tmpfs: `32m,mode=700`), and answers how to unmount it. Throws `Lacking` where none may. */
export function mountDisk(at: string, size: string): () => void {
  // Only root may mount, and not in every container.
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at]).status !== 0)
    throw lacking('it takes root to mount a small disk');
  return () => void spawnSync('umount', ['-l', at]);
}
