import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { type Look, look } from '../look.ts';
import { Teller } from './teller.ts';

/** A look by who is there for a moment only: people are told of what it finds, or made so, before it answers. */
export async function lookAndTell(platform: Platform, view: JobView): Promise<Look> {
  const found = await look(platform, view);
  // Who can't be told is so said by `status`, and tried again by others.
  const teller = new Teller(platform, { watchful: false, onTrouble: () => undefined });
  teller.see(found.view);
  await teller.idle();
  return found;
}
