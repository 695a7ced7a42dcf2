import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchctlError, hasCode, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { VERSION } from '../../lib/version.ts';
import { bootFileKey, bundleKey, isOfReleases, RELEASES, releaseKey, releaseOf } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { expandPatterns, packFiles } from '../code-archive.ts';
import { liftHold } from '../grid/boots.ts';

export interface StackReleaseOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Who releases: `user@host`. */
  readonly who: string;
  readonly paths: BootPaths;
  /** This program, unless a test gives another. */
  readonly pack?: () => Promise<Bundle>;
}

/** What new instances run, by the checksums of what they fetch. */
export interface BootChoice extends Pick<BootFiles, 'setups' | 'ca'> {
  readonly sha256: string;
  readonly version: string;
}

/** How what new instances run stands to what they should. */
export interface ReleaseState {
  /** Null before the first. */
  readonly current: Release | null;
  /** In words: what making it so would change; empty where all is as it should be. */
  readonly differences: readonly string[];
  /** Why this program's own bundle is not what new instances get; null where it is. */
  readonly note: string | null;
}

/** The releases of a stack, as this program and its configuration see them. */
export class StackRelease {
  readonly #o: StackReleaseOptions;
  #bundle: Promise<Bundle> | null = null;
  #files: BootFiles | null = null;

  constructor(options: StackReleaseOptions) {
    this.#o = options;
  }

  /**
   * What new instances are to run: this program, but where a person took just that back the one that they went back to (`anew`: this program all the same).
   * Throws `config` where the program isn't built, or a file is missing.
   */
  async wanted({ anew = false }: { readonly anew?: boolean } = {}): Promise<BootChoice> {
    const [current, bundle] = await Promise.all([this.current(), this.#program()]);
    return this.chosen(!anew && current?.tookBack === bundle.sha256 ? current : bundle);
  }

  /** What new instances do run; what they are to run before there was a release. */
  async inForce(): Promise<BootChoice> {
    const current = await this.current();
    return current === null ? this.wanted() : this.chosen(current);
  }

  /** Keys that an instance of the release in force would fetch in vain, setups aside; null before the first release. */
  async missing(): Promise<readonly string[] | null> {
    const current = await this.current();
    if (current === null) return null;
    const { sha256, ca } = this.chosen(current);
    const keys = [bundleKey(sha256), ...(ca === null ? [] : [bootFileKey('ca', ca)])];
    const heads = await Promise.all(keys.map((key) => this.#o.store.head(key)));
    return keys.filter((_, at) => heads[at] === null);
  }

  /** Null also where there is no bucket yet. */
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
      ...(wanted.sha256 === current.sha256 ? [] : [`${named(current)} → ${named(wanted)}, for new instances`]),
      ...(bundle === null ? [`the bundle ${wanted.sha256.slice(0, 12)} is not in the store`] : []),
      ...missing.map((key) => `${key.slice(RELEASES.length, RELEASES.length + 18)} is not in the store`),
    ];
    const taken = (await this.#program()).sha256 !== wanted.sha256;
    const note = `${named(await this.#program())} was rolled back; make it current again with batchctl infra release`;
    return { current, differences, note: taken ? note : null };
  }

  /**
   * Makes it so. Cut off after any request, it is done again. `anew`: a person asks for it, so also where this program was
   * taken back, and what failed boots hold is lifted though nothing has changed.
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
      return this.#lifted(current, missing.length > 0);
    }
    // Always again: what removes old ones goes by the last put.
    await store.put(bundleKey(bundle.sha256), bundle.gzip);
    const { sha256, version } = bundle;
    const wanted = { sha256, version, at: clock.now(), by: who, restores: null, tookBack: null };
    const { release, created } = await claimRelease(store, wanted);
    return this.#lifted(release, anew || created || missing.length > 0);
  }

  /** The release that taking back the current one goes to. Throws `refused` where there is none, or its bundle is gone. */
  async before(): Promise<{ readonly current: Release; readonly before: Release }> {
    const current = await this.current();
    const before = current === null ? null : await releaseBefore(this.#o.store, current);
    if (current === null || before === null) {
      const found = current === null ? 'there is no release yet' : `${named(current)} is the first`;
      throw new BatchctlError('refused', `expected a release before the current one, found that ${found}`, {
        hint: 'make one with batchctl infra release and another version of batchctl',
      });
    }
    await this.#requireBundle(before);
    return { current, before };
  }

  /** Makes the release before the current one current again. */
  async takeBack(): Promise<Release> {
    const { store, clock, who } = this.#o;
    const { current, before } = await this.before();
    await putFiles(store, this.#read());
    const { sha256, version } = before;
    const wanted = { sha256, version, at: clock.now(), by: who };
    const restores = before.restores ?? before.number;
    const going = { ...wanted, restores, tookBack: current.sha256 };
    const { release } = await claimRelease(store, going, current.number);
    return this.#lifted(release, true);
  }

  /** Goes on with a taking back that was cut off: the current release is what it went back to. Null before the first. */
  async goOn(): Promise<Release | null> {
    const current = await this.current();
    return current === null ? null : this.#lifted(current, true);
  }

  /** What was put below `releases/` goes: `make` puts it again. In an existing bucket others may have theirs beside it. */
  async remove(): Promise<void> {
    const { store } = this.#o;
    const keys: string[] = [];
    for await (const key of store.keys(RELEASES)) if (isOfReleases(key)) keys.push(key);
    await store.delete(keys);
  }

  async #requireBundle(release: Release): Promise<void> {
    if ((await this.#o.store.head(bundleKey(release.sha256))) !== null) return;
    throw new BatchctlError(
      'refused',
      `${bundleKey(release.sha256)}, of ${named(release)}, is no longer in the store`,
      {
        hint: 'upload it again with batchctl infra release and that version of batchctl',
      },
    );
  }

  /** What failed with another program, or other files, may go well now; so may what a person releases again. */
  async #lifted(release: Release, changed: boolean): Promise<Release> {
    const { store, who, paths } = this.#o;
    if (changed) await Promise.all(Object.keys(paths.setups).map((group) => liftHold(store, group, who)));
    return release;
  }

  /** A bundle, with the files of this configuration. */
  chosen({ sha256, version }: Pick<Bundle, 'sha256' | 'version'>): BootChoice {
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
const named = ({ version, sha256 }: Pick<Release, 'version' | 'sha256'>): string =>
  `${version} (${sha256.slice(0, 12)})`;

/** What became the current release of a stack. The one with the highest number is. */
export interface Release {
  readonly format: 1;
  readonly number: number;
  readonly sha256: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly by: string;
  /** The number of the release that it takes up again; null of one that was new. */
  readonly restores: number | null;
  /** The bundle that it took back; null of one that was new. */
  readonly tookBack: string | null;
}

/** The current release; null before the first. Throws `newer` for one that this version can't read. */
export async function currentRelease(store: ObjectStore): Promise<Release | null> {
  const numbers = await releaseNumbers(store);
  const last = numbers.at(-1);
  return last === undefined ? null : readRelease(store, last);
}

/**
 * The release that `current` goes back to: the last one before it with another bundle. One that itself went back counts
 * as the one that it took up again, so that going back twice goes two back. Null: there is none.
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
 * Makes a bundle, which is in the store already, the current release: the next number is create-if-absent (law 2), and who
 * loses it decides again. Where it is current already, nothing is written. Throws `refused` where another than `after`
 * has become current meanwhile.
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
    // Told that it exists, it may be this one's own first try: the next round finds it current.
    const { created } = await store.put(releaseKey(release.number), body, { ifAbsent: true });
    if (created) return { release, created };
  }
}

async function releaseNumbers(store: ObjectStore): Promise<readonly number[]> {
  const numbers: number[] = [];
  for await (const key of store.keys(RELEASES)) {
    const number = releaseOf(key);
    if (number !== null) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

async function readRelease(store: ObjectStore, number: number): Promise<Release | null> {
  const bytes = await store.read(releaseKey(number));
  if (bytes === null) return null;
  const read = JSON.parse(new TextDecoder().decode(bytes)) as Release;
  if (read.format === 1) return read;
  throw new BatchctlError(
    'newer',
    `${releaseKey(number)} has format ${read.format}; this version of batchctl reads 1`,
    {
      hint: 'use the version of batchctl that made the release',
    },
  );
}

/** Files of the operator's machine that new instances fetch, by their SHA-256. */
interface BootFiles {
  /** Each group's setup script; null of a group without. */
  readonly setups: Readonly<Record<string, string | null>>;
  /** The certificate authority of the ledger's server. */
  readonly ca: string | null;
  /** Keys in the store, and what they are to hold. */
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

interface BootPaths {
  /** Absolute. */
  readonly setups: Readonly<Record<string, string | null>>;
  readonly ca: string | null;
}

/** Reads them. Throws `config` for one that can't be read. */
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

/** Those that the store lacks. */
async function missingFiles(store: ObjectStore, { objects }: BootFiles): Promise<readonly string[]> {
  const keys = [...objects.keys()];
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

/** The built program as workers unpack it: needs Node, and no package nor native module. */
export interface Bundle {
  /** Of the archive before compression, so that all builds of the same files agree. */
  readonly sha256: string;
  readonly gzip: Uint8Array;
  readonly version: string;
}

/** Without source maps, compiled code (it is another machine's) and node_modules: only the local profile needs something of that. */
const FILES = ['bin/*.{js,json}', 'dist/**/*.js', 'dist/package.json', 'dist/**/*.txt', 'package.json', 'LICENSE'];

/** What the manager's page has besides. */
const PAGE = 'dist/dashboard/**/*.{html,css,svg,png}';

/** What was packed last, and of which files: a process that is asked often, as a manager, packs its program once. */
let last: { readonly files: string; readonly bundle: Bundle } | null = null;

/** Packs this program. Throws `config` where it has not been built. */
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
  const { sha256 } = packed;
  const bundle = {
    ...{ sha256, version },
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

/** From source this file lies three deep, bundled in dist/. */
function programRoot(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../', import.meta.url));
}
