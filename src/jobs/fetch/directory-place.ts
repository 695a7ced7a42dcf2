import { lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Platform } from '../../ports/platform.ts';
import { draftIn, removeStaleDrafts } from './draft.ts';
import { fetchFile, isThere, makeDirectory, refuseLinksOut } from './into-directory.ts';
import type { Place } from './place.ts';
import { unwritable } from './target.ts';
import type { OutputSource } from './verified.ts';

/** A directory of this machine; made when it isn't there. Files appear whole or not at all. */
export class DirectoryPlace implements Place {
  readonly text: string;
  readonly #platform: Platform;
  readonly #source: OutputSource;

  private constructor(path: string, platform: Platform, source: OutputSource) {
    this.text = path;
    this.#platform = platform;
    this.#source = source;
  }

  /** Throws `refused` for a place that can't be written. */
  static async open(path: string, platform: Platform, source: OutputSource): Promise<DirectoryPlace> {
    await makeDirectory(path);
    await removeStaleDrafts(path);
    return new DirectoryPlace(path, platform, source);
  }

  async isEmpty(): Promise<boolean> {
    return (await readdir(this.text)).length === 0;
  }

  async read(name: string): Promise<Uint8Array | null> {
    try {
      return await readFile(join(this.text, name));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
      throw unwritable(join(this.text, name), error);
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const draft = draftIn(this.text);
    try {
      await writeFile(draft, bytes, { flag: 'wx' });
      await rename(draft, join(this.text, name));
    } catch (error) {
      await rm(draft, { force: true });
      throw unwritable(join(this.text, name), error);
    }
  }

  async remove(name: string): Promise<void> {
    const path = join(this.text, name);
    refuseLinksOut(this.text, path);
    try {
      if ((await lstat(path)).isFile()) await rm(path, { force: true });
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw unwritable(path, error);
    }
  }

  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean> {
    return isThere(join(this.text, name), file, signal);
  }

  async put(name: string, task: number, file: OutputFile, signal: AbortSignal): Promise<void> {
    const at = { platform: this.#platform, source: this.#source, directory: this.text };
    await fetchFile(at, task, file, join(this.text, name), signal);
  }
}
