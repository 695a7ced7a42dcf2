import { signal } from '@preact/signals';

/** Milliseconds that this machine's clock is behind the manager's. */
let behind = 0;
/** Less is the second that the header is exact to, and the way. */
const MATTERS = 3_000;

/** What the manager's clock shows, milliseconds since the epoch; moves on each second while the page is seen. */
export const now = signal(Date.now());

/** The time on the manager's clock, right now. */
export const instant = (): number => Date.now() + behind;

/** Takes the time of an answer (its Date header). */
export function heardClock(date: string | null): void {
  const told = Date.parse(date ?? '');
  if (Number.isNaN(told)) return;
  const difference = told + 500 - Date.now();
  behind = Math.abs(difference) < MATTERS ? 0 : difference;
}

/** Where times are told: this browser's zone. */
export const zone: string = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = instant();
  }, 1_000);
}
