import type { Platform } from '../ports/platform.ts';
import type { VerbRunner } from '../ports/verbs.ts';
import { buildServer } from './http/server.ts';

export interface ManagerOptions {
  readonly platform: Platform;
  readonly verbs: VerbRunner;
  readonly listen: { readonly host: string; readonly port: number };
  /** Aborted when it is to leave. */
  readonly signal: AbortSignal;
  /** Told where it can be reached. */
  readonly onListening: (address: string) => void;
}

/** Serves until it is told to leave. */
export async function runManager({ verbs, listen, signal, onListening }: ManagerOptions): Promise<void> {
  const server = buildServer({ verbs });
  onListening(await server.listen(listen));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.close();
}
