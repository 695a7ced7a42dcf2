import { BatchctlError, isBatchctlError, isKind } from '../errors.ts';
import { readSecretFile } from '../lib/secret-file.ts';
import { MAX_TIMER_MS, wait, within } from '../lib/wait.ts';
import { allowSecretsLine, isAllowed } from '../model/allowed-secrets.ts';
import type { SecretSource } from '../ports/secret-source.ts';
import { Retrier } from './retrier.ts';

/** Names to values; in a job file, to references. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values occur in too many places to be distinguished from other text. */
const SHORTEST = 4;

/** Replaces every secret's value (of at least four characters) in a text by asterisks. */
export function maskSecrets(text: string, secrets: Secrets): string {
  const values = new Set(Object.values(secrets).flatMap(maskableForms));
  // Longest first: otherwise the rest of a value that contains another would be visible.
  const sorted = [...values].filter((value) => value.length >= SHORTEST).sort((a, b) => b.length - a.length);
  return sorted.reduce((masked, value) => masked.replaceAll(value, '****'), text);
}

/** The forms of a value in a log: all of it, a line of a key file, a field of a JSON document (Secrets Manager). */
function maskableForms(value: string): readonly string[] {
  return [value, value.trim(), ...value.split(/\r?\n/), ...(value.trimStart().startsWith('{') ? fieldsOf(value) : [])];
}

function fieldsOf(value: string): readonly string[] {
  try {
    return stringsIn(JSON.parse(value));
  } catch {
    return [];
  }
}

function stringsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value, ...value.split(/\r?\n/)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** How long a service's value is cached, milliseconds: a rotated one is used after at most a minute. */
const KEPT_MS = 60_000;
/** Interval between tries while a refusal may pass, milliseconds. */
const AGAIN_MS = 5_000;

export interface SecretReaderOptions {
  /** Null: this profile uses no service. */
  readonly source: SecretSource | null;
  /** Patterns of readable `env:` and `file:` references; null or absent: any. */
  readonly allowed?: readonly string[] | null;
  /** The worker, as named in a refusal. */
  readonly who?: string;
  /** How long a service's refusal may pass, milliseconds: a new instance's role isn't known everywhere at once. */
  readonly patienceMs?: number;
  readonly againMs?: number;
  /** How long a service that is unavailable or throttling is retried, milliseconds; 0 or absent: never. */
  readonly unavailableMs?: number;
  /** Called with the first refusal since a service last answered. */
  readonly onUnavailable?: (error: unknown) => void;
  readonly monotonic?: () => number;
}

/** A secret that can't be read, which only a person can fix. Its message has the reference, never the value. */
export class SecretRefused extends BatchctlError {
  /** From the job file: variable and reference. */
  readonly secret: readonly [variable: string, reference: string];
  /** The permission that is missing; undefined if it is no matter of rights. */
  readonly permission: string | undefined;

  constructor(name: string, reference: string, why: string, hint: string | undefined, permission?: string) {
    super('config', `secret ${name} (${reference}): ${why}`, {
      hint: hint ?? 'start the worker where the secret can be read, or change the reference in the job file',
    });
    this.secret = [name, reference];
    this.permission = permission;
  }
}

const DEFAULTS = {
  allowed: null,
  who: 'this process',
  patienceMs: 0,
  againMs: AGAIN_MS,
  unavailableMs: 0,
  onUnavailable: () => undefined,
  monotonic: () => performance.now(),
} as const;

/** Reads the secrets of attempts. Concurrent attempts share one request. */
export class SecretReader {
  readonly #o: Required<SecretReaderOptions>;
  readonly #refusedUntil: number;
  #isUnavailable = false;
  readonly #known = new Map<string, { readonly value: string; readonly readAt: number }>();
  readonly #requests = new Map<string, Promise<string>>();

  constructor(options: SecretReaderOptions) {
    this.#o = { ...DEFAULTS, ...options };
    this.#refusedUntil = this.#o.monotonic() + this.#o.patienceMs;
  }

  /**
   * The values by name: `env:NAME` of this process and `file:/path` (without a last newline) if allowed, `ssm:` and
   * `secretsmanager:` from the source. Throws `SecretRefused`; `unavailable` if a retry may help; the signal's reason
   * once it aborts.
   */
  async read(references: Secrets, signal?: AbortSignal): Promise<Secrets> {
    const entries = Object.entries(references);
    return Object.fromEntries(
      await Promise.all(entries.map(async ([name, reference]) => [name, await this.#readOne(name, reference, signal)])),
    );
  }

  async #readOne(name: string, reference: string, signal: AbortSignal | undefined): Promise<string> {
    const rest = reference.slice(reference.indexOf(':') + 1);
    const { allowed, monotonic, unavailableMs, who } = this.#o;
    if (allowed !== null && !isAllowed(reference, allowed)) {
      const why = `${who} may not read it: add ${allowSecretsLine(reference)} to the profile`;
      throw new SecretRefused(name, reference, why, 'then restart the workers (on AWS: batchctl infra up), and resume');
    }
    if (reference.startsWith('env:')) return readVariable(name, reference, rest);
    if (reference.startsWith('file:')) return readFromFile(name, reference, rest);
    const { readAt, value } = this.#known.get(reference) ?? {};
    if (value !== undefined && monotonic() - (readAt ?? 0) < KEPT_MS) return value;
    const onTrouble = (error: unknown): void => this.#reportUnavailable(error);
    const retrier = new Retrier({ limitMs: unavailableMs, signal, monotonic, onTrouble });
    for (;;) {
      try {
        return await retrier.run(() => abortable(this.#request(reference), signal));
      } catch (error) {
        if (!isKind(error, 'config', 'credentials', 'notFound')) throw error;
        if (monotonic() >= this.#refusedUntil)
          throw new SecretRefused(name, reference, error.message, error.hint, error.denied);
      }
      await wait(this.#o.againMs, signal);
    }
  }

  #reportUnavailable(error: unknown): void {
    if (!this.#isUnavailable) this.#o.onUnavailable(error);
    this.#isUnavailable = true;
  }

  #request(reference: string): Promise<string> {
    const asking = this.#requests.get(reference);
    if (asking !== undefined) return asking;
    const ask = this.#fromSource(reference).finally(() => this.#requests.delete(reference));
    this.#requests.set(reference, ask);
    return ask;
  }

  async #fromSource(reference: string): Promise<string> {
    if (this.#o.source === null) throw new BatchctlError('config', 'this backend supports only env: and file:');
    // Its age counts from the request, not the answer.
    const readAt = this.#o.monotonic();
    try {
      const value = await this.#o.source.read(reference);
      this.#isUnavailable = false;
      this.#known.set(reference, { value, readAt });
      return value;
    } catch (error) {
      this.#known.delete(reference);
      if (isBatchctlError(error)) throw error;
      throw new BatchctlError('unexpected', `can't read ${reference}: ${error instanceof Error ? error.name : ''}`);
    }
  }
}

function readVariable(name: string, reference: string, variable: string): string {
  const value = process.env[variable];
  if (value !== undefined) return value;
  throw new SecretRefused(name, reference, `the worker's environment has no ${variable}`, undefined);
}

async function readFromFile(name: string, reference: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readSecretFile(path);
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    throw new SecretRefused(name, reference, error.message, error.hint);
  }
  if (!text.includes('\0')) return text;
  throw new SecretRefused(name, reference, `${path} contains binary data, which a variable can't hold`, undefined);
}

/** The request continues for others that wait for it. */
function abortable<T>(request: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const onAbort = (): Promise<T> => {
    signal?.throwIfAborted();
    return request;
  };
  return within(request, MAX_TIMER_MS, onAbort, signal);
}
