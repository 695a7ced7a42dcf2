import type { FastifyInstance } from 'fastify';
import { TokenReader } from '../../jobs/tokens/token-reader.ts';
import { TokenUses } from '../../jobs/tokens/token-uses.ts';
import { wait } from '../../lib/wait.ts';
import type { Platform } from '../../ports/platform.ts';
import { type AuditLine, addAudit } from './audit.ts';
import { addAuth } from './auth.ts';
import { addBodyTime, addLimits, strangersRate } from './limits.ts';
import { addVersions } from './versions.ts';

export interface GuardOptions {
  /** Where tokens are kept, and by whose clock they expire. */
  readonly platform: Pick<Platform, 'store' | 'clock'>;
  /** Told of each call that changes something, and of each that is refused. */
  readonly onAudit: (line: AuditLine) => void;
  /** Milliseconds for a JSON body to come; 30 s unless given. */
  readonly bodyMs?: number;
}

/** What stands before every route, in the order in which a call meets it. To be called before any route is made. */
export function addGuards(app: FastifyInstance, { platform, onAudit, bodyMs }: GuardOptions): void {
  addAudit(app, onAudit);
  addBodyTime(app, bodyMs);
  addVersions(app);
  addAuth(app, {
    ...{ tokens: new TokenReader(platform), clock: platform.clock },
    ...{ onUsed: keepUses(app, platform), onNobody: strangersRate(app) },
  });
  addLimits(app);
}

/** Between two looks for marks of tokens that are due, milliseconds: never while a caller waits. */
const WRITE_MS = 60_000;
const LAST_MS = 2_000;

function keepUses(app: FastifyInstance, platform: Pick<Platform, 'store' | 'clock'>): (id: string) => void {
  const uses = new TokenUses(platform);
  const timer = setInterval(() => void uses.write(), WRITE_MS).unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    const written = new AbortController();
    // Who leaves does not wait for a store that is away.
    await Promise.race([uses.write(), wait(LAST_MS, written.signal)]);
    written.abort();
  });
  return (id) => uses.used(id);
}
