import { type BigIntStats, fstatSync } from 'node:fs';
import type { FilePin } from '../../model/job.ts';
import { changedInput } from './split-source.ts';

/** What a local input is known by: it is read in place, and must stay what it was. */
export function filePin(stat: BigIntStats): FilePin {
  return { inode: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs) };
}

/** Throws `changed`, naming the file and what differs, unless the open file is the pinned one, unaltered. */
export function checkPin(name: string, fd: number, pin: FilePin): void {
  const now = filePin(fstatSync(fd, { bigint: true }));
  if (now.size !== pin.size) throw changedInput(name, `it had ${pin.size} bytes, and has ${now.size}`);
  if (now.inode !== pin.inode) throw changedInput(name, 'another file has taken its place');
  if (now.mtimeNs !== pin.mtimeNs) throw changedInput(name, 'it was written to');
}
