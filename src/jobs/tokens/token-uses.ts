import { isKind, isOurs } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { tokenUseKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';

/** A token's mark is written anew after so long, milliseconds: what it says may be older than the last use by that. */
export const USE_MS = 3_600_000;

/** When a token was used, as its mark tells it: overwritten by whichever manager it called. */
interface StoredUse {
  readonly format: 1;
  /** ISO-8601 UTC, by the manager's clock. */
  readonly at: string;
}

interface Use {
  /** Milliseconds since the epoch; null: all of it is written. */
  readonly at: number | null;
  /** What this process wrote last; null: nothing yet. */
  readonly written: number | null;
}

/** Remembers when tokens were used, so that who revokes one knows whether it is in use: a small object a token an hour. */
export class TokenUses {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #uses = new Map<string, Use>();

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** Costs nothing: `write` does. */
  used(id: string): void {
    const written = this.#uses.get(id)?.written ?? null;
    const now = this.#platform.clock.now();
    // A clock that was set back tells a use of its own.
    if (written === null || Math.abs(now - written) >= USE_MS) this.#uses.set(id, { at: now, written });
  }

  /** Writes the marks that are due. One that can't be written is due again. Never rejects. */
  async write(): Promise<void> {
    for (const [id, { at }] of this.#uses) {
      if (at === null) continue;
      try {
        const use: StoredUse = { format: 1, at: new Date(at).toISOString() };
        await this.#platform.store.put(tokenUseKey(id), JSON.stringify(use));
        this.#uses.set(id, { at: null, written: at });
      } catch (error) {
        if (!isOurs(error)) throw error;
        // The store is away: it is told of where that matters.
        return;
      }
    }
  }
}

/** When a token was used last, to the hour, ISO-8601 UTC; null: never, or not since managers keep it. */
export async function readTokenUse(store: Pick<ObjectStore, 'read'>, id: string): Promise<string | null> {
  const key = tokenUseKey(id);
  const bytes = await store.read(key);
  if (bytes === null) return null;
  try {
    const { at } = parseStored<StoredUse>(key, bytes);
    return typeof at === 'string' && !Number.isNaN(Date.parse(at)) ? at : null;
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt')) return null;
    throw error;
  }
}
