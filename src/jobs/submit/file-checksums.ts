import { fileChecksum } from '../../lib/file-checksum.ts';
import type { FilePin } from '../../model/job.ts';

/** Bytes from which reading a file takes long enough to be told of. */
const LARGE = 2 ** 30;

/** Checksums of local inputs, each read once for as long as its file stays what it was. */
export class FileChecksums {
  readonly #known = new Map<string, string>();
  readonly #onLarge: (path: string, size: number) => void;

  /** `onLarge` is told of a file that takes a while, before it is read. */
  constructor(onLarge: (path: string, size: number) => void = () => undefined) {
    this.#onLarge = onLarge;
  }

  /** `sha256:<hex>`. What is written to meanwhile must be found out by whoever pinned the file. */
  async of(path: string, { inode, size, mtimeNs }: FilePin): Promise<string> {
    const file = `${inode} ${size} ${mtimeNs} ${path}`;
    const known = this.#known.get(file);
    if (known !== undefined) return known;
    if (size >= LARGE) this.#onLarge(path, size);
    const checksum = await fileChecksum(path, { length: size });
    this.#known.set(file, checksum);
    return checksum;
  }
}
