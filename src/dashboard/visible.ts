import { signal } from '@preact/signals';

/** Whether somebody may be looking: the tab is in front. */
export const visible = signal(!document.hidden);

export function startVisible(): void {
  document.addEventListener('visibilitychange', () => {
    visible.value = !document.hidden;
  });
}

/** Acts now, or once somebody looks. */
export function whenSeen(act: () => void, signal: AbortSignal): void {
  if (document.hidden)
    document.addEventListener('visibilitychange', () => whenSeen(act, signal), { once: true, signal });
  else act();
}
