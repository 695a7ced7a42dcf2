import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchctlError, hasCode, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseStored, type Shape } from '../../lib/json.ts';
import { VERSION } from '../../lib/version.ts';
import { bootFileKey, bundleKey, isReleasesKey, RELEASES_PREFIX, releaseKey, releaseOf } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { liftHold } from '../boots.ts';
import { expandPatterns, packFiles } from '../code-archive.ts';

export interface StackReleaseOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** The caller: `user@host`. */
  readonly who: string;
  readonly paths: BootPaths;
  /** This program, unless a test provides another. */
  readonly pack?: () => Promise<Bundle>;
}

export interface BootChoice extends Pick<BootFiles, 'setups' | 'ca'> {
  readonly sha256: string;
  readonly version: string;
}

export interface ReleaseState {
  /** Null before the first. */
  readonly current: Release | null;
  /** Describes what a release would change; empty if nothing. */
  readonly differences: readonly string[];
  /** Why new instances don't get this program's own bundle; null if they do. */
  readonly note: string | null;
}

export class StackRelease {
  readonly #o: StackReleaseOptions;
  #bundle: Promise<Bundle> | null = null;
  #files: BootFiles | null = null;

  constructor(options: StackReleaseOptions) {
    this.#o = options;
  }

  /**
   * The release for new instances: this program, unless a person rolled back exactly this one; then the release that
   * they rolled back to (`anew`: this program nevertheless). Throws `config` if the program isn't built, or a file is
   * missing.
   */
  async wanted({ anew = false }: { readonly anew?: boolean } = {}): Promise<BootChoice> {
    const [current, bundle] = await Promise.all([this.current(), this.#program()]);
    return this.bootChoiceOf(!anew && current?.tookBack === bundle.sha256 ? current : bundle);
  }

  /** The release that new instances currently run; before the first release, the one that they should run. */
  async inForce(): Promise<BootChoice> {
    const current = await this.current();
    return current === null ? this.wanted() : this.bootChoiceOf(current);
  }

  /** Keys that an instance of the current release could not fetch, without setups; null before the first release. */
  async missing(): Promise<readonly string[] | null> {
    const current = await this.current();
    if (current === null) return null;
    const { sha256, ca } = this.bootChoiceOf(current);
    const keys = [bundleKey(sha256), ...(ca === null ? [] : [bootFileKey('ca', ca)])];
    return missingKeys(this.#o.store, keys);
  }

  /** Also null if the bucket doesn't exist yet. */
  async current(): Promise<Release | null> {
    try {
      return await currentRelease(this.#o.store);
    } catch (error) {
      if (isKind(error, 'notFound')) return null;
      throw error;
    }
  }

  async look(): Promise<ReleaseState> {
    const { store } = this.#o;
    const current = await this.current();
    if (current === null) return { current, differences: [], note: null };
    const wanted = await this.wanted();
    const [bundle, missing] = await Promise.all([
      store.head(bundleKey(wanted.sha256)),
      missingFiles(store, this.#read()),
    ]);
    const differences = [
      ...(wanted.sha256 === current.sha256
        ? []
        : [`${releaseName(current)} → ${releaseName(wanted)}, for new instances`]),
      ...(bundle === null ? [`the bundle ${wanted.sha256.slice(0, 12)} is not in the store`] : []),
      ...missing.map((key) => `${key.slice(RELEASES_PREFIX.length, RELEASES_PREFIX.length + 18)} is not in the store`),
    ];
    const taken = (await this.#program()).sha256 !== wanted.sha256;
    const note = `${releaseName(await this.#program())} was rolled back; make it current again with batchctl infra release`;
    return { current, differences, note: taken ? note : null };
  }

  /**
   * Makes it the current release. If interrupted after any request, it can be repeated. `anew`: a person requests it,
   * so it also applies to a program that was rolled back, and lifts holds after failed boots even if nothing has
   * changed.
   */
  async make({ anew = false }: { readonly anew?: boolean } = {}): Promise<Release> {
    const { store, clock, who } = this.#o;
    const bundle = await this.#program();
    const current = await this.current();
    const kept = !anew && current !== null && current.tookBack === bundle.sha256;
    const missing = await missingFiles(store, this.#read());
    await putFiles(store, this.#read());
    if (kept) {
      await this.#requireBundle(current);
      return this.#liftHolds(current, missing.length > 0);
    }
    // Put it each time: old ones are removed by the time of the last put.
    await store.put(bundleKey(bundle.sha256), bundle.gzip);
    const { sha256, version } = bundle;
    const wanted = { sha256, version, at: clock.now(), by: who, restores: null, tookBack: null };
    const { release, created } = await claimRelease(store, wanted);
    return this.#liftHolds(release, anew || created || missing.length > 0);
  }

  /** The release that a rollback leads to. Throws `refused` if there is none, or its bundle is gone. */
  async rollbackTarget(): Promise<{ readonly current: Release; readonly before: Release }> {
    const current = await this.current();
    const before = current === null ? null : await releaseBefore(this.#o.store, current);
    if (current === null || before === null) {
      const found = current === null ? 'there is no release yet' : `${releaseName(current)} is the first`;
      throw new BatchctlError('refused', `expected a release before the current one, found that ${found}`, {
        hint: 'make one with batchctl infra release and another version of batchctl',
      });
    }
    await this.#requireBundle(before);
    return { current, before };
  }

  /** Makes the release before the current one current again. */
  async rollBack(): Promise<Release> {
    const { store, clock, who } = this.#o;
    const { current, before } = await this.rollbackTarget();
    await putFiles(store, this.#read());
    const { sha256, version } = before;
    const wanted = { sha256, version, at: clock.now(), by: who };
    const restores = before.restores ?? before.number;
    const going = { ...wanted, restores, tookBack: current.sha256 };
    const { release } = await claimRelease(store, going, current.number);
    return this.#liftHolds(release, true);
  }

  /** Continues an interrupted rollback: the current release is the one it rolled back to. Null before the first. */
  async continueRollback(): Promise<Release | null> {
    const current = await this.current();
    return current === null ? null : this.#liftHolds(current, true);
  }

  /**
   * Removes the objects below `releases/`; `make` uploads them again. An existing bucket may have other files there.
   */
  async remove(): Promise<void> {
    const { store } = this.#o;
    const keys: string[] = [];
    for await (const key of store.keys(RELEASES_PREFIX)) if (isReleasesKey(key)) keys.push(key);
    await store.delete(keys);
  }

  async #requireBundle(release: Release): Promise<void> {
    if ((await this.#o.store.head(bundleKey(release.sha256))) !== null) return;
    throw new BatchctlError(
      'refused',
      `${bundleKey(release.sha256)}, of ${releaseName(release)}, is no longer in the store`,
      { hint: 'upload it again with batchctl infra release and that version of batchctl' },
    );
  }

  /** Lifts holds after failed boots if the program or files changed, or a person releases them again. */
  async #liftHolds(release: Release, changed: boolean): Promise<Release> {
    const { store, who, paths } = this.#o;
    if (changed) await Promise.all(Object.keys(paths.setups).map((group) => liftHold(store, group, who)));
    return release;
  }

  bootChoiceOf({ sha256, version }: Pick<Bundle, 'sha256' | 'version'>): BootChoice {
    const { setups, ca } = this.#read();
    return { sha256, version, setups, ca };
  }

  #program(): Promise<Bundle> {
    this.#bundle ??= (this.#o.pack ?? packProgram)();
    return this.#bundle;
  }

  #read(): BootFiles {
    this.#files ??= readBootFiles(this.#o.paths);
    return this.#files;
  }
}

/** `0.2.0 (7f3a9c0d12ab)`. */
const releaseName = ({ version, sha256 }: Pick<Release, 'version' | 'sha256'>): string =>
  `${version} (${sha256.slice(0, 12)})`;

/** A release of a stack. The one with the highest number is current. */
export interface Release {
  readonly format: 1;
  readonly number: number;
  readonly sha256: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly by: string;
  /** The number of the release that it restores; null for a new one. */
  readonly restores: number | null;
  /** The bundle that it rolled back; null for a new one. */
  readonly tookBack: string | null;
}

/** The current release; null before the first. Throws `newer` for one that this version can't read. */
export async function currentRelease(store: ObjectStore): Promise<Release | null> {
  const numbers = await releaseNumbers(store);
  const last = numbers.at(-1);
  return last === undefined ? null : readRelease(store, last);
}

/**
 * The release that a rollback of `current` leads to: the last earlier one with another bundle. A rollback counts as the
 * release that it restored, so a second rollback goes two back. Null: there is none.
 */
export async function releaseBefore(store: ObjectStore, current: Release): Promise<Release | null> {
  const place = current.restores ?? current.number;
  const numbers = await releaseNumbers(store);
  for (const number of numbers.filter((each) => each < place).reverse()) {
    const release = await readRelease(store, number);
    if (release !== null && release.sha256 !== current.sha256) return release;
  }
  return null;
}

/**
 * Makes a bundle that is already in the store the current release. The next number is create-if-absent (law 2), and the
 * loser decides again. Writes nothing if it is already current. Throws `refused` if another release than `after` has
 * become current meanwhile.
 */
export async function claimRelease(
  store: ObjectStore,
  wanted: Omit<Release, 'format' | 'number'>,
  after: number | null = null,
): Promise<{ readonly release: Release; readonly created: boolean }> {
  for (;;) {
    const numbers = await releaseNumbers(store);
    const last = numbers.at(-1) ?? -1;
    const current = last < 0 ? null : await readRelease(store, last);
    if (current?.sha256 === wanted.sha256) return { release: current, created: false };
    if (after !== null && last !== after) {
      throw new BatchctlError('refused', `expected release ${after} to be the current one, found ${last}`, {
        hint: 'someone else made a release meanwhile; check with batchctl infra status',
      });
    }
    const release: Release = { format: 1, number: last + 1, ...wanted };
    const body = `${JSON.stringify(release)}\n`;
    // If it exists, it may be from our own first try: the next round finds it current.
    const { created } = await store.put(releaseKey(release.number), body, { ifAbsent: true });
    if (created) return { release, created };
  }
}

async function releaseNumbers(store: ObjectStore): Promise<readonly number[]> {
  const numbers: number[] = [];
  for await (const key of store.keys(RELEASES_PREFIX)) {
    const number = releaseOf(key);
    if (number !== null) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

const RELEASE: Shape = { number: 'number', sha256: 'text', version: 'text' };

async function readRelease(store: ObjectStore, number: number): Promise<Release | null> {
  const key = releaseKey(number);
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored(key, bytes, { shape: RELEASE });
}

/** Files of the operator's machine that new instances fetch, by their SHA-256. */
interface BootFiles {
  /** Each group's setup script; null for a group without one. */
  readonly setups: Readonly<Record<string, string | null>>;
  readonly ca: string | null;
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

interface BootPaths {
  /** Absolute paths. */
  readonly setups: Readonly<Record<string, string | null>>;
  readonly ca: string | null;
}

/** Reads the files. Throws `config` for one that can't be read. */
function readBootFiles({ setups, ca }: BootPaths): BootFiles {
  const objects = new Map<string, Uint8Array>();
  const take = (kind: 'setup' | 'ca', where: string, path: string | null): string | null => {
    if (path === null) return null;
    const bytes = readFile(where, path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    objects.set(bootFileKey(kind, sha256), bytes);
    return sha256;
  };
  const taken = Object.entries(setups).map(([group, path]) => [group, take('setup', `groups.${group}.setup`, path)]);
  return { setups: Object.fromEntries(taken), ca: take('ca', 'ledger.ca', ca), objects };
}

const missingFiles = (store: ObjectStore, { objects }: BootFiles) => missingKeys(store, [...objects.keys()]);

async function missingKeys(store: ObjectStore, keys: readonly string[]): Promise<readonly string[]> {
  const heads = await Promise.all(keys.map((key) => store.head(key)));
  return keys.filter((_, at) => heads[at] === null);
}

async function putFiles(store: ObjectStore, { objects }: BootFiles): Promise<void> {
  for (const [key, bytes] of objects) await store.put(key, bytes);
}

function readFile(where: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = hasCode(error, 'ENOENT') ? 'there is no such file' : String((error as Error).message);
    throw new BatchctlError('config', `${where}: expected a readable file, found ${path}: ${why}`, {
      hint: 'paths in the configuration are relative to its file',
      cause: error,
    });
  }
}

/** The built program as workers unpack it: needs Node, but no packages or native modules. */
export interface Bundle {
  /** The hash of the archive before compression, so that all builds of the same files agree. */
  readonly sha256: string;
  readonly gzip: Uint8Array;
  readonly version: string;
}

/** Leaves out source maps, compiled code (of another machine) and node_modules (only the local profile needs it). */
const FILES = ['bin/*.{js,json}', 'dist/**/*.js', 'dist/package.json', 'dist/**/*.txt', 'package.json', 'LICENSE'];

const PAGE = 'dist/dashboard/**/*.{html,css,svg,png}';

/** The last bundle, and the files it was packed from: a long-lived process such as a manager packs its program once. */
let last: { readonly files: string; readonly bundle: Bundle } | null = null;

/** Packs this program. Throws `config` if it isn't built. */
export async function packProgram(root = programRoot()): Promise<Bundle> {
  if (!existsSync(join(root, 'dist/main.js'))) {
    throw new BatchctlError('config', `expected the built program for workers in ${join(root, 'dist')}`, {
      hint: `npm run build (in ${root})`,
    });
  }
  const names = await expandPatterns(root, existsSync(join(root, 'dist/dashboard')) ? [...FILES, PAGE] : FILES);
  const files = names.map((name) => identityOf(join(root, name))).join('\n');
  if (last?.files === files) return last.bundle;
  const packed = await packFiles(root, names);
  const { version = VERSION } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version?: string };
  const bundle = {
    sha256: packed.sha256,
    version,
    get gzip() {
      return packed.gzip;
    },
  };
  last = { files, bundle };
  return bundle;
}

/** Changes when a file is written or replaced. */
function identityOf(path: string): string {
  const { ino, size, mtimeMs, ctimeMs } = lstatSync(path);
  return [path, ino, size, mtimeMs, ctimeMs].join(' ');
}

/** In the source tree this file is three levels deep; bundled, it is in dist/. */
function programRoot(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../', import.meta.url));
}
