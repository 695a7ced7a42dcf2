import { lstatSync, rmdirSync, unlinkSync } from 'node:fs';
import { hasCode } from '../errors.ts';
import { type Entry, OpenDirectory } from './open-directory.ts';

/**
 * Removes whatever is at a path, and everything below a directory, as another process may have left it: links are
 * removed and never followed, trees may be of any depth, names of any bytes, and directories closed to their owner.
 * Another process that renames directories meanwhile can't lead it elsewhere. Throws the first error of the file system
 * after it has removed all else.
 */
export function removeTree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    emptyTree(path);
    rmdirSync(path);
  } else {
    try {
      unlinkSync(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}

/** As `removeTree`, but keeps the directory itself. */
export function emptyTree(path: string): void {
  const top = OpenDirectory.open(path);
  try {
    new TreeRemoval(top).run();
  } finally {
    top.close();
  }
}

/**
 * Moves each directory that isn't empty to the top before it empties it. So two descriptors suffice for any depth, and
 * no path is longer than a name. Lists each directory once: a process that keeps adding files can't keep it busy.
 */
class TreeRemoval {
  readonly #top: OpenDirectory;
  /** Directories at the top that aren't empty. */
  readonly #waiting: Buffer[] = [];
  #error: unknown = null;
  #moved = 0;

  constructor(top: OpenDirectory) {
    this.#top = top;
  }

  run(): void {
    for (const entry of this.#top.entries()) {
      this.#attempt(() => removeSimple(this.#top, entry) || this.#waiting.push(entry.name));
    }
    for (let name = this.#waiting.pop(); name !== undefined; name = this.#waiting.pop()) {
      const next = name;
      this.#attempt(() => this.#removeDirectory(next));
    }
    if (this.#error !== null) throw this.#error;
  }

  #removeDirectory(name: Buffer): void {
    const directory = this.#top.openChild(name);
    try {
      for (const child of directory.entries()) {
        this.#attempt(() => removeSimple(directory, child) || this.#moveUp(directory, child.name));
      }
    } finally {
      directory.close();
    }
    this.#top.change(() => rmdirSync(this.#top.at(name)));
  }

  /** Keeps the first error. What vanished meanwhile is none. */
  #attempt(act: () => unknown): void {
    try {
      act();
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) this.#error ??= error;
    }
  }

  #moveUp(from: OpenDirectory, name: Buffer): void {
    for (;;) {
      this.#moved += 1;
      const moved = Buffer.from(`.removed-${this.#moved}`);
      try {
        from.change(() => this.#top.change(() => from.moveChild(name, this.#top.at(moved))));
        this.#waiting.push(moved);
        return;
      } catch (error) {
        if (!hasCode(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR')) throw error;
      }
    }
  }
}

/** Removes a file, a link or an empty directory; false for any other directory. */
function removeSimple(parent: OpenDirectory, entry: Entry): boolean {
  const path = parent.at(entry.name);
  if (!entry.isDirectory()) {
    parent.change(() => unlinkSync(path));
    return true;
  }
  try {
    parent.change(() => rmdirSync(path));
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}
