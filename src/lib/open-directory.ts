import {
  chmodSync,
  closeSync,
  constants,
  type Dirent,
  existsSync,
  fchmodSync,
  openSync,
  readdirSync,
  renameSync,
} from 'node:fs';
import { hasCode } from '../errors.ts';

/** Names are bytes, as not every name is UTF-8. */
export type Entry = Dirent<Buffer>;

/** Linux's flag for a descriptor that needs no rights on the file (open(2)). Node has no name for it. */
const O_PATH = 0o10000000;
const AS_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
let hasProc: boolean | null = null;
/** Whether a descriptor has a path. */
const hasDescriptorPaths = (): boolean => (hasProc ??= existsSync('/proc/self/fd'));

/**
 * A directory by its descriptor: what is at its path may change. On Linux `/proc/self/fd/N/name` is what openat(2) and
 * its kin, which Node lacks, would use; elsewhere it is the path.
 */
export class OpenDirectory {
  readonly #fd: number;
  readonly #path: Buffer;

  private constructor(fd: number, path: Buffer) {
    this.#fd = fd;
    this.#path = hasDescriptorPaths() ? Buffer.from(`/proc/self/fd/${fd}`) : path;
  }

  /** Opens a directory, not a link to one; one that is closed to its owner is opened to it first. */
  static open(path: string | Buffer): OpenDirectory {
    const bytes = Buffer.from(path);
    let fd: number;
    try {
      fd = openSync(bytes, AS_DIRECTORY);
    } catch (error) {
      if (!hasCode(error, 'EACCES')) throw error;
      allowOwner(bytes);
      fd = openSync(bytes, AS_DIRECTORY);
    }
    return new OpenDirectory(fd, bytes);
  }

  entries(): readonly Entry[] {
    return this.change(() => readdirSync(this.#path, { withFileTypes: true, encoding: 'buffer' }));
  }

  at(name: Buffer): Buffer {
    return Buffer.concat([this.#path, Buffer.from('/'), name]);
  }

  openChild(name: Buffer): OpenDirectory {
    return this.change(() => OpenDirectory.open(this.at(name)));
  }

  /** Moves a directory within it. A new parent is written into the directory itself, which takes rights to that. */
  moveChild(name: Buffer, target: Buffer): void {
    try {
      renameSync(this.at(name), target);
    } catch (error) {
      if (!hasCode(error, 'EACCES')) throw error;
      allowOwner(this.at(name));
      renameSync(this.at(name), target);
    }
  }

  /** Makes a change in the directory; if it isn't allowed, allows it to the directory's owner first. */
  change<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!hasCode(error, 'EACCES')) throw error;
      try {
        fchmodSync(this.#fd, 0o700);
      } catch {
        throw error;
      }
      return act();
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Gives the owner of a directory all rights to it, without following a link. */
function allowOwner(path: Buffer): void {
  if (!hasDescriptorPaths()) {
    chmodSync(path, 0o700);
    return;
  }
  const fd = openSync(path, O_PATH | AS_DIRECTORY);
  try {
    chmodSync(`/proc/self/fd/${fd}`, 0o700);
  } finally {
    closeSync(fd);
  }
}
