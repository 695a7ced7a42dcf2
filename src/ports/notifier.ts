import type { EventKind, Notification } from '../model/notify.ts';

/** One who is told of events. */
export interface Receiver {
  /** `sns:ARN` or a topic's name, `https://...`, `http://` of this machine, or `exec:/PATH`. */
  readonly to: string;
  /** A reference to what signs the body; null: it isn't signed. */
  readonly secret: string | null;
  /** True: whoever runs this process named it, so that it may be on this machine. */
  readonly trusted: boolean;
}

/** What a receiver is told. */
export interface Notice {
  readonly id: string;
  readonly event: EventKind | 'test';
  readonly job: string | null;
  /** JSON. */
  readonly body: string;
}

/** Tells one receiver of one event. */
export interface Notifier {
  /**
   * Resolves once the receiver has taken it, within seconds either way. Throws `unavailable` where trying again may help,
   * else what a person must mend: `config`, `refused` (a place that nobody may be told at), `credentials`, `notFound`.
   * What it throws names no secret, and of a URL the host alone.
   */
  send(receiver: Receiver, notice: Notice, signal?: AbortSignal): Promise<void>;
}

export interface Notices {
  readonly notifier: Notifier;
  /** Whom the profile tells of all its jobs; programs by whole paths. */
  readonly profile: readonly Notification[];
}
