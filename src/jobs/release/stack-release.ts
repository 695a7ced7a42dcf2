import { BatchctlError, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { bootFileKey, bundleKey, isOfReleases, RELEASES } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { liftHold } from '../grid/failed-boots.ts';
import { type BootFiles, type BootPaths, missingFiles, putFiles, readBootFiles } from './boot-files.ts';
import { type Bundle, packProgram } from './bundle.ts';
import { claimRelease, currentRelease, type Release, releaseBefore } from './releases.ts';

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
