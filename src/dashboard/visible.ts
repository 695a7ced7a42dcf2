import { signal } from '@preact/signals';

/** Whether the tab is in front, so that somebody may be looking. */
export const visible = signal(!document.hidden);

export function startVisible(): void {
  document.addEventListener('visibilitychange', () => {
    visible.value = !document.hidden;
  });
}

/** Calls `act` now, or once the tab is in front. */
export function whenVisible(act: () => void, signal: AbortSignal): void {
  if (document.hidden)
    document.addEventListener('visibilitychange', () => whenVisible(act, signal), { once: true, signal });
  else act();
}
