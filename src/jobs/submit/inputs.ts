import { stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { glob } from 'tinyglobby';
import { BatchctlError, hasCode } from '../../errors.ts';
import type { JobInput, SplitSpec } from '../../model/job.ts';
import { dataKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { openFileSource, statFileSource } from '../split/file-source.ts';
import { openPipeSource } from '../split/pipe-source.ts';
import type { SplitSource } from '../split/split-source.ts';
import { openStoreSource } from '../split/store-source.ts';

/** An input found, open for cutting. */
export interface FoundInput {
  readonly source: SplitSource;
  readonly input: Omit<JobInput, 'records'>;
}

export interface InputPlace {
  readonly store: ObjectStore;
  /** Bare paths are relative to it. */
  readonly directory: string;
  readonly stdin: Readable | null;
  /** True where inputs are taken whole: then nothing is opened, however many there are. */
  readonly whole: boolean;
}

/** True for splits that read no input at all. */
export function needsNoInput(split: SplitSpec): boolean {
  return split.by === 'range' || split.by === 'grid';
}

/**
 * Finds every input that the names mean, in their order: a path, a pattern, a directory (all files below it), `store:KEY`
 * (a prefix when it ends in `/` or `*`), `-` for stdin. Throws `notFound` for a name that matches nothing.
 */
export async function findInputs(names: readonly string[], place: InputPlace): Promise<readonly FoundInput[]> {
  const found: FoundInput[] = [];
  try {
    for (const name of names) {
      for (const target of await targetsOf(name, place)) found.push(await open(target, found.length, place));
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

type Target =
  | { readonly kind: 'file' | 'store'; readonly at: string; readonly name: string }
  | { readonly kind: 'pipe' };

async function targetsOf(name: string, place: InputPlace): Promise<readonly Target[]> {
  if (name === '-') return [{ kind: 'pipe' }];
  if (name.startsWith('store:')) return storeTargets(name, place.store);
  if (/^(s3|job|https?):/.test(name)) {
    throw new BatchctlError('config', `the input ${name} can't be read with this profile`, {
      hint: 'name a local file, or store:KEY for one that batchctl upload put',
    });
  }
  return fileTargets(name, place.directory);
}

async function storeTargets(name: string, store: ObjectStore): Promise<readonly Target[]> {
  const key = name.slice('store:'.length);
  if (!key.endsWith('/') && !key.endsWith('*')) return [{ kind: 'store', at: dataKey(key), name }];
  const targets: Target[] = [];
  for await (const entry of store.list(dataKey(key.replace(/\*$/, '')))) {
    targets.push({ kind: 'store', at: entry.key, name: `store:${entry.key.slice(dataKey('').length)}` });
  }
  if (targets.length === 0) throw matchesNothing(name, `batchctl ls ${key}`);
  return targets;
}

async function fileTargets(name: string, directory: string): Promise<readonly Target[]> {
  const path = resolve(directory, name);
  const kind = await kindOf(path);
  if (kind === 'file') return [{ kind: 'file', at: path, name }];
  const pattern = kind === 'directory' ? `${escapeGlob(name)}/**` : name;
  const matches = await glob([pattern], {
    cwd: directory,
    onlyFiles: true,
    absolute: true,
    dot: kind === 'directory',
    expandDirectories: false,
  });
  if (matches.length === 0) throw matchesNothing(name, 'name a file that exists, with --input or in input.from');
  return matches.sort().map((at) => ({ kind: 'file', at: resolve(at), name: shown(resolve(at), directory, name) }));
}

/** Matches are named as the pattern was: relative if it was relative. */
function shown(path: string, directory: string, name: string): string {
  return isAbsolute(name) ? path : relative(directory, path).split(sep).join('/');
}

async function kindOf(path: string): Promise<'file' | 'directory' | null> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

function escapeGlob(name: string): string {
  return name.replace(/[\\*?[\]{}()!+@]/g, '\\$&').replace(/\/+$/, '');
}

async function open(target: Target, index: number, place: InputPlace): Promise<FoundInput> {
  switch (target.kind) {
    case 'file': {
      const source = place.whole
        ? statFileSource(index, target.at, target.name)
        : openFileSource(index, target.at, target.name);
      return {
        source,
        input: { ...base(source, target.name), source: { kind: 'file', path: target.at, pin: source.pin } },
      };
    }
    case 'store': {
      const source = await openStoreSource(index, place.store, target.at, target.name);
      return {
        source,
        input: { ...base(source, target.name), source: { kind: 'store', key: target.at, etag: source.etag } },
      };
    }
    case 'pipe': {
      if (place.stdin === null) throw new BatchctlError('usage', 'the input - can be given once, and only by --input');
      const source = await openPipeSource(index, place.stdin);
      return { source, input: { ...base(source, '-'), source: { kind: 'pipe' } } };
    }
    default:
      return target satisfies never;
  }
}

function base(source: SplitSource, name: string): Omit<FoundInput['input'], 'source'> {
  return { name, size: source.size ?? 0, checksum: null, compression: source.compression };
}

function matchesNothing(name: string, hint: string): BatchctlError {
  return new BatchctlError('notFound', `the input ${name} matches nothing`, { hint });
}
