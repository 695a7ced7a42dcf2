import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import type { OutputFile } from '../../model/output.ts';
import type { Platform } from '../../ports/platform.ts';
import { fetchFile, isThere, makeDirectory, refuseLinksOut } from './into-directory.ts';
import { CLAIM, CLAIMS, type Claim, claimName, type Draft, generationOf, type Place, ShutOut } from './place.ts';
import { removeStaleDrafts, STALE_MS, unwritable } from './target.ts';
import type { OutputSource } from './verified.ts';

/**
 * A directory of this machine; made when it isn't there. Files appear whole or not at all.
 *
 * A delivery is a folder, `_delivery/<generation>`, which appears whole by a rename that fails where one is. All that the
 * delivery writes is renamed out of it, and what it removes is renamed into it. So whoever renames that folder shuts the
 * delivery out: no later write of it finds its source.
 */
export class DirectoryPlace implements Place {
  readonly text: string;
  readonly late = false;
  readonly #platform: Platform;
  readonly #source: OutputSource;
  readonly #claims: string;
  /** This delivery's folder. */
  #own: string;

  private constructor(path: string, platform: Platform, source: OutputSource) {
    this.text = path;
    this.#platform = platform;
    this.#source = source;
    this.#claims = join(path, CLAIMS);
    this.#own = this.#claims;
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

  holds(name: string, file: Pick<OutputFile, 'size' | 'checksum'>, signal: AbortSignal): Promise<boolean> {
    return isThere(join(this.text, name), file, signal);
  }

  async claims(): Promise<readonly Claim[]> {
    for (;;) {
      const found: Claim[] = [];
      const folders = (await this.#folders()).filter(({ generation }) => generation !== null);
      for (const { folder, generation } of folders) {
        const bytes = await this.read(join(CLAIMS, folder, CLAIM));
        if (generation !== null && bytes !== null) found.push({ generation, bytes });
      }
      // One was shut out or forgotten meanwhile: the next look says which.
      if (found.length === folders.length) return found.sort((a, b) => a.generation - b.generation);
    }
  }

  async claim(generation: number, manifest: Uint8Array): Promise<boolean> {
    const made = join(this.#claims, `new-${randomId(16)}`);
    this.#own = join(this.#claims, claimName(generation));
    try {
      await mkdir(made, { recursive: true });
      await this.#removeStale((await stat(made)).mtimeMs);
      for (const name of [CLAIM, 'manifest' satisfies Draft])
        await writeFile(join(made, name), manifest, { flag: 'wx' });
      await writeFile(join(made, 'marker' satisfies Draft), '', { flag: 'wx' });
      await rename(made, this.#own);
      return true;
    } catch (error) {
      await rm(made, { recursive: true, force: true });
      if (hasCode(error, 'EEXIST', 'ENOTEMPTY')) return false;
      throw unwritable(made, error);
    }
  }

  async shut(generation: number): Promise<void> {
    const open = join(this.#claims, claimName(generation));
    try {
      await rename(open, `${open}.shut-${randomId(8)}`);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw unwritable(open, error);
    }
  }

  async forget(from: number, to: number): Promise<void> {
    for (const { folder, generation } of await this.#folders()) {
      if (generation === null || generation < from || generation > to) continue;
      const gone = join(this.#claims, `gone-${randomId(16)}`);
      // At once, so that no folder is ever there without its claim.
      await rename(join(this.#claims, folder), gone).catch(() => undefined);
      await rm(gone, { recursive: true, force: true });
    }
    // It stays while another delivery has its claim there.
    await rmdir(this.#claims).catch(() => undefined);
  }

  async ensure(...[name, task, file, how]: Parameters<Place['ensure']>): Promise<boolean> {
    const path = join(this.text, name);
    refuseLinksOut(this.text, path);
    if (!how.fresh && (await isThere(path, file, how.signal))) return true;
    await how.before();
    await this.#write(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      const at = { platform: this.#platform, source: this.#source, directory: this.#own };
      await fetchFile(at, task, { name: '', ...file }, path, how.signal);
    });
    return false;
  }

  async remove(name: string): Promise<void> {
    const path = join(this.text, name);
    refuseLinksOut(this.text, path);
    const removed = join(this.#own, `removed-${randomId(8)}`);
    try {
      if (!(await lstat(path)).isFile()) return;
      await this.#write(path, () => rename(path, removed));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw unwritable(path, error);
    }
    await rm(removed, { force: true });
  }

  async publish(draft: Draft, name: string): Promise<void> {
    const path = join(this.text, name);
    await this.#write(path, () => rename(join(this.#own, draft), path));
  }

  /** Whatever fails once this delivery's folder is gone, fails for that. */
  async #write(path: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      throw existsSync(this.#own) ? unwritable(path, error) : new ShutOut();
    }
  }

  async #folders(): Promise<readonly { readonly folder: string; readonly generation: number | null }[]> {
    try {
      return (await readdir(this.#claims)).map((folder) => ({ folder, generation: generationOf(folder) }));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw unwritable(this.#claims, error);
    }
  }

  /** What processes that were killed left as they made or removed a claim. `now`: what time it is by this file system. */
  async #removeStale(now: number): Promise<void> {
    for (const { folder } of await this.#folders()) {
      if (!/^(new|gone)-/.test(folder)) continue;
      const path = join(this.#claims, folder);
      const stats = await stat(path).catch(() => null);
      if (stats !== null && now - stats.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
    }
  }
}
