import { relative } from 'node:path';
import type { Config } from '../config/load-config.ts';
import type { Profile } from '../config/profile.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { killPoints } from '../lib/kill-point.ts';
import { machineZone } from '../lib/zone.ts';
import type { StandbyWorker } from '../platform/own-workers.ts';
import type { Platform } from '../ports/platform.ts';
import type { GlobalFlags } from './global-flags.ts';
import type { Io } from './io.ts';
import { escapeKeepingColours } from './terminal-text.ts';

/** A command's context: its environment, and functions that open things when first called (`--help` calls none). */
export interface Context {
  readonly io: Io;
  readonly flags: GlobalFlags;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C or SIGTERM: stop cleanly, and print what continues. */
  readonly signal: AbortSignal;
  /** Aborted by the second, for commands with `stopsItself`. */
  readonly stopNow: AbortSignal;
  /** Aborted when stdout's reader is gone. */
  readonly closed: AbortSignal;
  /**
   * The configuration of the selected profile, read once. Throws `config`; `refused` if it sends something to an address
   * that the user has not confirmed.
   */
  config(): Promise<Config>;
  /** The same, to look at or to confirm: nothing may be sent where it says. */
  unconfirmedConfig(): Promise<Config>;
  /** The profile's ports, opened once and closed after the command. */
  platform(): Promise<Platform>;
  /**
   * A worker process started ahead of time, which waits for its order to begin. It is stopped after the command if it
   * never began. Null where no worker of the profile runs here.
   */
  heldWorker(): Promise<StandbyWorker | null>;
  /** The zone of times: `--tz`, the profile's, or this machine's; UTC, with one warning, if TZ is unknown. */
  zone(): Promise<string>;
  /** Announces the write target on stderr, once; not with `--quiet`. */
  announce(): Promise<void>;
  /** A line on stderr, unless `--quiet`. */
  notice(text: string): void;
  /** A line on stderr, also with `--quiet`. */
  warn(text: string): void;
  /** A line on stderr with `--verbose`. */
  detail(text: string): void;
  /** Marks a point at which a test may kill this process. */
  readonly passed: (point: string) => void;
  close(): Promise<void>;
}

export interface ContextParts {
  readonly io: Io;
  readonly flags: GlobalFlags;
  readonly signal: AbortSignal;
  readonly stopNow: AbortSignal;
  readonly closed: AbortSignal;
  readonly clock?: Clock;
  /** A configuration in place of the selected profile's, which is confirmed. */
  readonly config?: Config;
}

export function openContext({
  io,
  flags,
  signal,
  stopNow,
  closed,
  clock = systemClock,
  config: given,
}: ContextParts): Context {
  const warn = (text: string): void => {
    io.stderr.write(`warning: ${escapeKeepingColours(text)}\n`);
  };
  const unconfirmedConfig = once(
    async () => given ?? (await import('../config/load-config.ts')).loadConfig({ cwd: io.cwd, env: io.env, flags }),
  );
  const config = once(async () => {
    const loaded = await unconfirmedConfig();
    if (loaded.profile.root === null && given === undefined) {
      const { requireCertificateChecks, requireKnownAddresses } = await import('../config/known-addresses.ts');
      requireCertificateChecks(io.env);
      requireKnownAddresses(loaded, io.env);
    }
    return loaded;
  });
  let opened: Promise<Platform> | null = null;
  const platform = once(() => {
    opened = Promise.all([config(), import('../platform/open-platform.ts')]).then(([loaded, { openPlatform }]) =>
      openPlatform(loaded, { role: 'cli', env: io.env, onWarning: warn }),
    );
    return opened;
  });
  let held: Promise<StandbyWorker | null> | null = null;
  const heldWorker = once(() => {
    if (io.startWorkers !== undefined) return Promise.resolve(null);
    held = Promise.all([config(), import('../platform/own-workers.ts')]).then(([loaded, { startStandbyWorker }]) =>
      startStandbyWorker(loaded, { cwd: io.cwd, env: io.env }),
    );
    return held;
  });
  const line = (text: string): void => {
    io.stderr.write(`${escapeKeepingColours(text)}\n`);
  };
  return {
    io,
    flags,
    clock,
    signal,
    stopNow,
    closed,
    config,
    unconfirmedConfig,
    platform,
    heldWorker,
    zone: once(async () => {
      const said = flags.tz ?? (await config()).profile.tz;
      if (said !== null) return said;
      const { TZ } = io.env;
      const { zone, understood } = machineZone(TZ);
      if (!understood) warn(`TZ is "${TZ}", which is not a known time zone; times are read and shown in ${zone}`);
      return zone;
    }),
    announce: once(async () => {
      if (flags.quiet) return;
      const { profile, file } = await config();
      line(whereLine(profile, file, io.cwd));
      // Checked first: a wrong account must show at once, not after an hour of reading.
      if (profile.backend === 'aws') await (await platform()).requireWriteAccess?.();
    }),
    notice: (text) => {
      if (!flags.quiet) line(text);
    },
    warn,
    detail: (text) => {
      if (flags.verbose) line(text);
    },
    passed: killPoints(io.env),
    close: async () => {
      (await (held as Promise<StandbyWorker | null> | null)?.catch(() => null))?.drop();
      if (opened === null) return;
      // A platform that failed to open needs no closing; its error was already thrown.
      const open = await (opened as Promise<Platform>).catch(() => null);
      await open?.close();
    },
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * The write target as one line: `-> prod: aws 123456789012 eu-west-1, stack month-end (batchctl.config.json)`. `file`
 * is the absolute path of the configuration; null if none was found. Paths are relative to `cwd` where that is shorter.
 */
export function whereLine(profile: Profile, file: string | null, cwd: string): string {
  const source = file === null ? 'no configuration found' : shortPath(file, cwd);
  return `-> ${profile.name}: ${placeOf(profile, cwd)} (${source})`;
}

function placeOf(profile: Profile, cwd: string): string {
  switch (profile.backend) {
    case 'local':
      return shortPath(profile.root, cwd);
    case 'aws':
      return `aws ${profile.account === null ? '' : `${profile.account} `}${profile.region}, stack ${profile.stack}`;
    case 'manager':
      return `manager ${profile.url}`;
    default:
      return profile satisfies never;
  }
}

function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length ? short : path;
}
