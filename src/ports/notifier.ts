import type { EventKind, Notification } from '../model/notify.ts';

export interface Receiver {
  /** `sns:ARN` or a topic's name, `https://...`, `http://` of this machine, or `exec:/PATH`. */
  readonly to: string;
  /** Reference of the secret that signs the body; null: unsigned. */
  readonly secret: string | null;
  /** True: the user of this process configured it, so it may be on this machine. */
  readonly trusted: boolean;
}

export interface Notice {
  readonly id: string;
  readonly event: EventKind | 'test';
  readonly job: string | null;
  /** JSON. */
  readonly body: string;
}

export interface Notifier {
  /**
   * Resolves once the receiver has accepted it; takes seconds at most. Throws `unavailable` if a retry may help, and
   * otherwise an error that a person must fix: `config`, `refused` (a forbidden address), `credentials`, `notFound`.
   * Errors contain no secrets, and only the host of a URL.
   */
  send(receiver: Receiver, notice: Notice, signal?: AbortSignal): Promise<void>;
}

export interface NotificationSettings {
  readonly notifier: Notifier;
  /** The profile's receivers for all jobs; programs have absolute paths. */
  readonly profile: readonly Notification[];
}
