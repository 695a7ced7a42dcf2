import type { Config } from '../config.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { killPoints } from '../lib/kill-point.ts';
import type { Platform } from '../ports/platform.ts';
import type { Attachments } from '../ports/verbs.ts';
import { whereLine } from './announce.ts';
import type { GlobalFlags } from './global-flags.ts';
import type { Io } from './io.ts';
import { visibleInOurs } from './visible.ts';
import { machineZone } from './zone.ts';

/** What a command is given: its world, and thunks that open things only when asked (`--help` asks for nothing). */
export interface Context {
  readonly io: Io;
  readonly flags: GlobalFlags;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C or SIGTERM: stop cleanly, say what goes on. */
  readonly signal: AbortSignal;
  /** Aborted by the second, for commands with `stopsItself`. */
  readonly stopNow: AbortSignal;
  /** Aborted when nobody reads stdout any more. */
  readonly closed: AbortSignal;
  /**
   * Of a caller from elsewhere, for whom a manager runs the command: what its files come to. It has none here: whatever
   * would read or write a path on this machine for it must refuse. Null: the command runs where its files are.
   */
  readonly attachments: Attachments | null;
  /** The configuration of the chosen profile, read once. Throws `config`. */
  config(): Promise<Config>;
  /** The profile's ports, opened once and closed by the frame. */
  platform(): Promise<Platform>;
  /** The zone of times read and shown: `--tz`, the profile's, this machine's; UTC, with one warning, for a TZ that names none. */
  zone(): Promise<string>;
  /** Says on stderr where this command will write, once; nothing with `--quiet`. */
  announce(): Promise<void>;
  /** A line on stderr, unless `--quiet`. */
  notice(text: string): void;
  /** A line on stderr that `--quiet` doesn't silence. */
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
  /** A configuration that is read already, and ports that are open and stay so: those of a manager, which runs verbs for others. */
  readonly config?: Config;
  readonly platform?: Platform;
  readonly attachments?: Attachments;
}

export function openContext({
  io,
  flags,
  signal,
  stopNow,
  closed,
  clock = systemClock,
  ...given
}: ContextParts): Context {
  const warn = (text: string): void => {
    io.stderr.write(`warning: ${visibleInOurs(text)}\n`);
  };
  const config = once(
    async () => given.config ?? (await import('../config.ts')).loadConfig({ cwd: io.cwd, env: io.env, flags }),
  );
  let opened: Promise<Platform> | null = null;
  const platform = once(() => {
    if (given.platform !== undefined) {
      const own = Object.create(given.platform, { warn: { value: warn, enumerable: true } }) as Platform;
      return Promise.resolve(own);
    }
    opened = Promise.all([config(), import('../platform.ts')]).then(([loaded, { openPlatform }]) =>
      openPlatform(loaded, { role: 'cli', onWarning: warn }),
    );
    return opened;
  });
  const line = (text: string): void => {
    io.stderr.write(`${visibleInOurs(text)}\n`);
  };
  return {
    io,
    flags,
    clock,
    signal,
    stopNow,
    closed,
    attachments: given.attachments ?? null,
    config,
    platform,
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
      // A caller from elsewhere was told by its own command line whom it asks.
      if (given.attachments === undefined) line(whereLine(profile, file, io.cwd));
      // Before anything is looked up: the wrong account is told at once, and not after an hour's reading.
      if (profile.backend === 'aws') await (await platform()).mayWrite?.();
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
      if (opened === null) return;
      // A platform that didn't open has nothing to close, and its error was thrown to whoever asked.
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
