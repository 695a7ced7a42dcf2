import { BatchctlError } from '../errors.ts';
import { type Asked, isLegal } from '../model/legal.ts';
import type { JobView } from '../model/view.ts';

/** Throws `refused` with the state and the fixing command, unless the entry is legal in the current journal. */
export function mustBeLegal(view: JobView, what: Asked): void {
  const illegal = isLegal(view, what);
  if (illegal === null) return;
  throw new BatchctlError('refused', `can't ${what}: job ${view.record.job} ${illegal.reason}`, {
    ...(illegal.hint === null ? {} : { hint: illegal.hint }),
  });
}
