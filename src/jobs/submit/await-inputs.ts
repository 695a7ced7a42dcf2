import { isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { wait } from '../../lib/wait.ts';
import { closeInputs } from './inputs.ts';
import type { Prepared } from './prepare.ts';

const LOOK_MS = 1_000;

/**
 * Prepares a submission whose inputs may not be there yet: tries again for `seconds` while they match nothing, are another
 * number than expected, or still grow between two looks. Throws what the last try threw.
 */
export async function awaitInputs<T extends Pick<Prepared, 'digest' | 'inputs'>>(
  prepare: () => Promise<T>,
  seconds: number,
  options: { readonly clock: Clock; readonly signal?: AbortSignal; readonly onWait?: (why: string) => void },
): Promise<T> {
  const end = options.clock.monotonic() + seconds * 1_000;
  let before: string | null = null;
  for (;;) {
    const last = options.clock.monotonic() >= end || options.signal?.aborted === true;
    let why = 'the input exists; waiting until it stops changing';
    try {
      const prepared = await prepare();
      // With no time to wait there is none to see whether it grows: the pins catch what is written while it is cut.
      if (seconds === 0 || before === prepared.digest || last) return prepared;
      before = prepared.digest;
      await closeInputs(prepared.inputs);
    } catch (error) {
      if (last || !isKind(error, 'notFound', 'refused')) throw error;
      before = null;
      why = error.message;
    }
    options.onWait?.(why);
    await wait(LOOK_MS, options.signal);
  }
}
