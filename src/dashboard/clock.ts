import { signal } from '@preact/signals';

/** How far this machine's clock is behind the manager's, in milliseconds. */
let behind = 0;
/** Smaller differences, in milliseconds, come from the header's resolution of a second and from the network. */
const MATTERS = 3_000;

/** The time on the manager's clock, milliseconds since the epoch; updated each second while the page is visible. */
export const now = signal(Date.now());

/** The exact time on the manager's clock, milliseconds since the epoch. */
export const exactNow = (): number => Date.now() + behind;

/** Compares the clocks by an answer's Date header. */
export function syncClock(date: string | null): void {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return;
  const difference = theirs + 500 - Date.now();
  behind = Math.abs(difference) < MATTERS ? 0 : difference;
}

export const zone: string = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = exactNow();
  }, 1_000);
}
