import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { isDynamicPattern } from 'tinyglobby';
import { BatchctlError, hasCode } from '../../errors.ts';
import { fileChecksum } from '../../lib/file-checksum.ts';
import { mapAhead } from '../../lib/parallel.ts';
import type { FilePin, IncompleteInput, JobInput, SplitSpec } from '../../model/job.ts';
import { DATA_PREFIX, dataKey } from '../../model/keys.ts';
import { isS3Uri, parseS3Uri } from '../../model/s3-uri.ts';
import type { OpenBucket } from '../../ports/bucket.ts';
import type { ObjectEntry, ObjectStore } from '../../ports/object-store.ts';
import type { AttachedInput } from '../../ports/verbs.ts';
import { escapeGlob, leftOutTexts, matchFiles, searchFiles } from '../data/find-files.ts';
import { brokenLinkError } from '../data/path-errors.ts';
import { dataChecksum, parseDataKey, shownKey } from '../data-key.ts';
import { type FileSource, openFileSource, openPipeSource, statFileSource } from '../split/file-source.ts';
import { changedInput, HEAD_SIZE, type HeadCheck, type SplitSource, textHeadCheck } from '../split/split-source.ts';
import { listedSource, openBucketSource, openStoreSource } from '../split/store-source.ts';
import { type FindSource, findOutputs } from './job-outputs.ts';
import type { FoundInput } from './upload-inputs.ts';
import { uploadedInput } from './upload-inputs.ts';

interface BucketTarget {
  readonly kind: 's3';
  readonly bucket: string;
  readonly key: string;
  /** `s3://BUCKET/KEY` */
  readonly name: string;
  /** What the listing of a prefix says of it; null for an object that was named. */
  readonly listed: Pick<ObjectEntry, 'size' | 'etag'> | null;
}

/**
 * The objects that `s3://BUCKET/KEY` stands for: one, or all below a prefix that ends in `/` or `*`. Skips the empty
 * objects that consoles create for directories. Throws `usage` for an invalid name, `notFound` for an empty prefix.
 */
async function bucketTargets(name: string, open: OpenBucket): Promise<readonly BucketTarget[]> {
  const uri = parseS3Uri(name);
  if (uri === null) {
    throw new BatchctlError('usage', `expected s3://BUCKET/KEY, found ${name}`, {
      hint: 'bucket names are 3 to 63 lower-case letters, digits, dots and hyphens',
    });
  }
  const { bucket, key } = uri;
  const at = (whole: string, listed: BucketTarget['listed'] = null): BucketTarget => {
    return { kind: 's3', bucket, key: whole, name: `s3://${bucket}/${whole}`, listed };
  };
  if (key !== '' && !key.endsWith('/') && !key.endsWith('*')) return [at(key)];
  const targets: BucketTarget[] = [];
  const listed = (await open(bucket)).list(key.replace(/\*$/, ''));
  for await (const { key: found, size, etag } of listed)
    if (!found.endsWith('/') || size > 0) targets.push(at(found, { size, etag }));
  if (targets.length > 0) return targets;
  throw new BatchctlError('notFound', `the input ${name} matches nothing`, { hint: `aws s3 ls ${name}` });
}

/** For backends without buckets. */
export const noBuckets: OpenBucket = async (name) => {
  throw new BatchctlError('config', `s3://${name} can't be reached from here`);
};

/** The target that an input's name refers to, not yet opened. */
type Target =
  | { readonly kind: 'file'; readonly at: string; readonly name: string }
  /** `checksum` if known. */
  | { readonly kind: 'store'; readonly at: string; readonly name: string; readonly checksum: string | null }
  /** The caller has checked for duplicates. The key names the content, so two identical files share it. */
  | { readonly kind: 'attached'; readonly input: AttachedInput }
  | BucketTarget
  | { readonly kind: 'pipe' };

/** Records a target. Throws `refused` if it was recorded before, because its data would be processed twice. */
function refuseDuplicate(target: Target, seen: Map<string, string>): void {
  if (target.kind === 'attached' || target.kind === 'pipe') return;
  const identity = identityOf(target);
  const before = seen.get(identity);
  seen.set(identity, target.name);
  if (before === undefined) return;
  const again = before === target.name ? `${before} is given twice` : `${target.name} is the same as ${before}`;
  throw new BatchctlError('refused', `the input ${again}, so its data would be processed twice`, {
    hint: 'list it once; patterns also match links and hard links to a file. To process its data twice, copy it',
  });
}

function identityOf(target: Exclude<Target, { kind: 'attached' | 'pipe' }>): string {
  switch (target.kind) {
    case 'file':
      return `file:${fileIdentity(target.at)}`;
    case 'store':
      return `store:${target.at}`;
    case 's3':
      return `s3:${target.bucket}/${target.key}`;
    default:
      return target satisfies never;
  }
}

/** Device and inode: hard links, too, are one file. The path if that fails, as opening the file gives a better error. */
function fileIdentity(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? path : `${stat.dev} ${stat.ino}`;
}

export interface InputPlace {
  readonly store: ObjectStore;
  /** Opens the buckets in `s3://` names. */
  readonly bucket: OpenBucket;
  /** Base directory of relative paths. */
  readonly directory: string;
  readonly stdin: Readable | null;
  /** How the inputs will be cut. Inputs taken whole are not opened, however many there are. */
  readonly split: SplitSpec;
  /**
   * Provides the checksums under which files are put, if workers can't read this machine's. Null: files are read in
   * place.
   */
  readonly checksums: FileChecksums | null;
  /** For a remote caller: the files that it put, so that no path is read here. Null: paths are this machine's. */
  readonly attached: readonly AttachedInput[] | null;
  /** The targets found so far, by name, so that no input is taken twice. */
  readonly seen: Map<string, string>;
  /** Finds the job in `job:JOB/STEP`. */
  readonly findSource: FindSource;
  /** The store's directory and the configuration, as absolute paths: directories and patterns leave them out. */
  readonly own?: readonly string[];
  /** Receives a line for each kind of thing that a directory or pattern leaves out. */
  readonly onLeftOut?: ((text: string) => void) | undefined;
  /** Called with a step of another job of which tasks have no output. Absent or null: it is refused. */
  readonly onIncomplete?: ((found: IncompleteInput) => void) | null;
}

/** True for splits without inputs. */
export function needsNoInput(split: SplitSpec): boolean {
  return split.by === 'range' || split.by === 'grid';
}

/**
 * Finds all inputs that the names stand for, in order: a path, a pattern, a directory (all files below it), `store:KEY`
 * or `s3://BUCKET/KEY` (a prefix if it ends in `/` or `*`), `job:JOB/STEP` (a job's outputs), `-` for stdin. Throws
 * `notFound` for a name that matches nothing, `jobFile` if an input's first bytes show that the split can't cut it,
 * `refused` for a job that has not succeeded, and for an input named twice (by two names or through a link), because
 * its data would be processed twice.
 */
export async function findInputs(names: readonly string[], place: InputPlace): Promise<readonly FoundInput[]> {
  const found: FoundInput[] = [];
  try {
    for (const name of names) {
      const targets = await targetsOf(name, place);
      for (const target of targets) refuseDuplicate(target, place.seen);
      // Files are opened one at a time, because each open file must be closed; objects are looked up in parallel.
      const atOnce = targets.every(({ kind }) => kind === 'store' || kind === 's3') ? AHEAD : 1;
      const numbered = targets.map((target, at) => ({ target, index: found.length + at }));
      for await (const input of mapAhead(numbered, atOnce, ({ target, index }) => open(target, index, place))) {
        found.push(input);
      }
    }
  } catch (error) {
    await closeInputs(found);
    throw error;
  }
  return found;
}

export async function closeInputs(inputs: readonly FoundInput[]): Promise<void> {
  await Promise.all(inputs.map(({ source }) => source.close()));
}

/** Objects looked up in parallel. */
const AHEAD = 16;

async function targetsOf(name: string, place: InputPlace): Promise<readonly Target[]> {
  if (name === '-' && place.attached === null) return [{ kind: 'pipe' }];
  if (name.startsWith('store:')) return storeTargets(name, place.store);
  if (name.startsWith('job:')) {
    const outputs = await findOutputs(name, place.store, place.findSource, place.onIncomplete);
    return outputs.map(({ key, ...known }) => ({ kind: 'store', at: key, ...known }));
  }
  if (isS3Uri(name)) return bucketTargets(name, place.bucket);
  if (/^https?:/.test(name)) {
    throw new BatchctlError('config', `the input ${name} can't be read: batchctl does not read web addresses`, {
      hint: 'download it first; or use s3://BUCKET/KEY, or store:KEY for data from batchctl upload',
    });
  }
  if (place.attached !== null) return attachedFor(name, place.attached).map((input) => ({ kind: 'attached', input }));
  return fileTargets(name, place);
}

async function storeTargets(name: string, store: ObjectStore): Promise<readonly Target[]> {
  const key = name.slice('store:'.length);
  if (!key.endsWith('/') && !key.endsWith('*')) return [{ kind: 'store', at: dataKey(key), name, checksum: null }];
  const targets: Target[] = [];
  for await (const entry of store.list(dataKey(key.replace(/\*$/, '')))) {
    targets.push({
      kind: 'store',
      at: entry.key,
      name: `store:${entry.key.slice(dataKey('').length)}`,
      checksum: null,
    });
  }
  if (targets.length === 0) throw matchesNothing(name, `batchctl ls ${key}`);
  return targets;
}

async function fileTargets(
  name: string,
  { directory, own = [], onLeftOut }: Pick<InputPlace, 'directory' | 'own' | 'onLeftOut'>,
): Promise<readonly Target[]> {
  const path = resolve(directory, name);
  const kind = await kindOf(path);
  if (kind === 'file') {
    await refuseAmbiguousName(name, path, directory);
    return [{ kind: 'file', at: path, name }];
  }
  const pattern = kind === 'directory' ? `${directoryGlob(name)}/**` : name;
  const { files, leftOut } = await searchFiles(pattern, { directory, dot: kind === 'directory', own });
  const shownLeft = leftOut.map((each) => ({ ...each, path: shown(each.path, directory, name) }));
  for (const text of leftOutTexts(name, shownLeft)) onLeftOut?.(text);
  if (files.length === 0) throw matchesNothing(name, 'use an existing file, with --input or in input.from');
  return files.map((at) => ({ kind: 'file', at, name: shown(at, directory, name) }));
}

/** If a file is really called `*.csv`, the name is ambiguous: either reading would leave out or add data. */
async function refuseAmbiguousName(name: string, path: string, directory: string): Promise<void> {
  if (!isDynamicPattern(name)) return;
  const others = (await matchFiles(name, { directory, dot: false })).filter((match) => match !== path);
  if (others.length === 0) return;
  throw new BatchctlError(
    'refused',
    `the input ${name} is the name of a file, but also a pattern that matches ${shown(others[0] ?? '', directory, name)}`,
    { hint: `for the file only: '${escapeGlob(name)}'; for the pattern, rename the file` },
  );
}

/** Matches are displayed as the pattern was given: relative if it was relative. */
function shown(path: string, directory: string, name: string): string {
  return isAbsolute(name) ? path : relative(directory, path).split(sep).join('/');
}

async function kindOf(path: string): Promise<'file' | 'directory' | null> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    if (hasCode(error, 'ELOOP')) throw brokenLinkError(path, error);
    // A long pattern isn't a file name.
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return null;
    throw error;
  }
}

const directoryGlob = (name: string): string => escapeGlob(name).replace(/\/+$/, '');

async function open(target: Target, index: number, place: InputPlace): Promise<FoundInput> {
  const look = textHeadCheck(place.split);
  const isPacked = place.split.by === 'file' && place.split.pack !== undefined;
  switch (target.kind) {
    case 'file': {
      const source =
        place.split.by === 'file'
          ? statFileSource(index, target.at, target.name)
          : openFileSource(index, target.at, target.name);
      if (look !== null) await lookAtFile(source, look);
      if (place.checksums !== null) return openForUpload(target, source, place.checksums);
      return {
        source,
        input: { ...base(source, target.name), source: { kind: 'file', path: target.at, pin: source.pin } },
      };
    }
    case 'store': {
      const opened = await openStoreSource(index, place.store, target.at, target.name, null, look);
      const source = { ...opened, checksum: target.checksum ?? opened.checksum };
      const { checksum, etag } = source;
      return {
        source,
        input: { ...base(source, target.name), checksum, source: { kind: 'store', key: target.at, etag } },
      };
    }
    case 'attached':
      return openAttached(index, place.store, target.input, look);
    case 's3': {
      const { bucket, key, name, listed } = target;
      if (isPacked && listed !== null) {
        const source = listedSource(index, name, listed.size);
        return {
          source,
          input: { ...base(source, name), source: { kind: 's3', bucket, key, etag: listed.etag, version: null } },
        };
      }
      const source = await openBucketSource(index, await place.bucket(bucket), key, name, look);
      const { etag, version, checksum } = source;
      return { source, input: { ...base(source, name), checksum, source: { kind: 's3', bucket, key, etag, version } } };
    }
    case 'pipe': {
      if (place.stdin === null)
        throw new BatchctlError('usage', 'the input - can be used only once, and only with --input');
      const source = await openPipeSource(index, place.stdin, look);
      return { source, input: { ...base(source, '-'), source: { kind: 'pipe' } } };
    }
    default:
      return target satisfies never;
  }
}

async function lookAtFile(source: FileSource, look: HeadCheck): Promise<void> {
  const bytes = Buffer.alloc(Math.min(HEAD_SIZE, source.size));
  try {
    await source.random?.readAt(0, bytes);
    await look({ name: source.name, compression: source.compression, bytes });
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A file that remote workers will read: cut here, and put before the job is committed. */
async function openForUpload(
  { at, name }: { readonly at: string; readonly name: string },
  source: FileSource,
  checksums: FileChecksums,
): Promise<FoundInput> {
  try {
    const checksum = await checksums.of(at, source.pin);
    await source.check();
    return { source, path: at, input: { ...base(source, name), checksum, source: uploadedInput(at, checksum) } };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function base(source: SplitSource, name: string): Omit<FoundInput['input'], 'source'> {
  return { name, size: source.size ?? 0, checksum: null, compression: source.compression };
}

function matchesNothing(name: string, hint: string): BatchctlError {
  return new BatchctlError('notFound', `the input ${name} matches nothing`, { hint });
}

/**
 * The objects that a remote caller put for a path, pattern or directory of its machine. Throws `usage` if there is
 * nothing.
 */
function attachedFor(name: string, attached: readonly AttachedInput[]): readonly AttachedInput[] {
  const found = attached.filter(({ asked }) => asked === name);
  if (found.length > 0) return found;
  throw new BatchctlError('usage', `the input ${name} is a file on the caller's machine, which a manager can't read`, {
    hint: 'store it and refer to it as store:KEY; s3://BUCKET/KEY and job:JOB/STEP are also possible',
  });
}

/**
 * Opens an attached input in the store. Throws `usage` if its key isn't one of data, `changed` if its bytes differ from
 * what the caller stated.
 */
async function openAttached(
  index: number,
  store: ObjectStore,
  { key, name, checksum, size }: AttachedInput,
  look: HeadCheck | null,
): Promise<FoundInput> {
  if (!key.startsWith(DATA_PREFIX))
    throw new BatchctlError('usage', `expected an attached input below ${DATA_PREFIX}, found ${key}`);
  const info = await store.head(parseDataKey(shownKey(key)));
  if (info === null) {
    throw new BatchctlError('notFound', `the input ${name} is not in the store, at ${shownKey(key)}`, {
      hint: 'run the same command again to upload it again',
    });
  }
  if (info.size !== size || dataChecksum(info.metadata) !== checksum) {
    throw changedInput(name, `${shownKey(key)} does not contain its bytes`);
  }
  const source = await openStoreSource(index, store, key, name, info, look);
  const { compression, etag } = source;
  return { source, input: { name, size, checksum, compression, source: { kind: 'store', key, etag } } };
}

/** Inputs of a plan that the caller has already cut: none of them is read. */
export function plannedInputs(inputs: readonly JobInput[]): readonly FoundInput[] {
  return inputs.map((input, index) => {
    const { name, size, compression } = input;
    const stream = (): never => {
      throw new BatchctlError('unexpected', `${name} is only planned: there is nothing to read`);
    };
    const source = { index, name, size, compression, random: null, stream, ...NOTHING_OPEN };
    return { source, input };
  });
}

const NOTHING_OPEN = { check: async (): Promise<void> => {}, close: async (): Promise<void> => {} };

/** Reading a file of this size takes long enough to tell the user. */
const LARGE = 2 ** 30;

/** Checksums of local inputs. Each file is read once while it doesn't change. */
export class FileChecksums {
  readonly #known = new Map<string, string>();
  readonly #onLarge: (path: string, size: number) => void;

  /** `onLarge` is called before a large file is read. */
  constructor(onLarge: (path: string, size: number) => void = () => undefined) {
    this.#onLarge = onLarge;
  }

  /** `sha256:<hex>`. The caller that pinned the file must detect modifications during the read. */
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
