import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { unpackCode } from '../jobs/code-archive.ts';
import { codeKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** A job's files, unpacked once per worker and copied into each attempt's directory. */
export class CodeCache {
  readonly #store: ObjectStore;
  readonly #directory: string;
  readonly #unpacked = new Map<string, Promise<string>>();

  constructor(store: ObjectStore, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  /** Copies the files of an archive into `target` (clones, on file systems that can). */
  async layInto(sha256: string, target: string): Promise<void> {
    copyTree(await this.#unpack(sha256), target);
  }

  #unpack(sha256: string): Promise<string> {
    let unpacked = this.#unpacked.get(sha256);
    if (unpacked === undefined) {
      unpacked = this.#fetch(sha256);
      this.#unpacked.set(sha256, unpacked);
      unpacked.catch(() => this.#unpacked.delete(sha256));
    }
    return unpacked;
  }

  async #fetch(sha256: string): Promise<string> {
    const directory = join(this.#directory, sha256);
    if (existsSync(directory)) return directory;
    const gzip = await this.#store.read(codeKey(sha256));
    if (gzip === null)
      throw new BatchctlError('corrupt', `${codeKey(sha256)} is gone`, { hint: 'submit the job again' });
    const partial = `${directory}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true, mode: 0o700 });
    await unpackCode(gzip, sha256, partial);
    renameSync(partial, directory);
    return directory;
  }
}

function copyTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      copyTree(source, target);
    } else copyFileSync(source, target, constants.COPYFILE_FICLONE);
  }
}
