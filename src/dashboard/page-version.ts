import { signal } from '@preact/signals';
import { VERSION } from '../lib/version.ts';

/** The manager's version, where it isn't this page's any more: the page should be loaded again. */
export const otherVersion = signal<string | null>(null);

export function heardVersion(version: string | null): void {
  if (version !== null) otherVersion.value = version === VERSION ? null : version;
}
