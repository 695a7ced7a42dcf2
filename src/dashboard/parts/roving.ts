import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

const FOCUSABLE = 'a[href], button, input, select';
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -1e9, End: 1e9 };

/**
 * Makes of a table's rows one stop of the Tab key: arrows (j, k, Home, End) move between rows, Tab goes on through what the
 * row has. To be put on the element that holds rows, which are marked `data-row`.
 */
export function useRoving<T extends HTMLElement>(): RefObject<T | null> {
  const ref = useRef<T>(null);
  // After each render: rows come and go.
  useEffect(() => {
    const { current: holder } = ref;
    if (holder === null) return;
    const rows = rowsOf(holder);
    const chosen = rows.find((row) => row.dataset.row === 'chosen') ?? rows[0];
    if (chosen !== undefined) choose(rows, chosen);
  });
  useEffect(() => {
    const { current: holder } = ref;
    if (holder === null) return undefined;
    const onFocus = ({ target }: FocusEvent): void => {
      const row = target instanceof Element ? target.closest<HTMLElement>('[data-row]') : null;
      if (row !== null) choose(rowsOf(holder), row);
    };
    const onKey = (event: KeyboardEvent): void => {
      const step = STEPS[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.target instanceof HTMLInputElement) return;
      if (!move(holder, event.target, step)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    holder.addEventListener('focusin', onFocus);
    holder.addEventListener('keydown', onKey);
    return () => {
      holder.removeEventListener('focusin', onFocus);
      holder.removeEventListener('keydown', onKey);
    };
  }, []);
  return ref;
}

const rowsOf = (holder: HTMLElement): readonly HTMLElement[] => [...holder.querySelectorAll<HTMLElement>('[data-row]')];
const stopsOf = (row: HTMLElement): readonly HTMLElement[] => [...row.querySelectorAll<HTMLElement>(FOCUSABLE)];

function choose(rows: readonly HTMLElement[], chosen: HTMLElement): void {
  for (const row of rows) {
    row.dataset.row = row === chosen ? 'chosen' : '';
    for (const stop of stopsOf(row)) stop.tabIndex = row === chosen ? 0 : -1;
  }
}

/** Goes to what stands at the same place of another row. False where there is no other row. */
function move(holder: HTMLElement, target: EventTarget | null, step: number): boolean {
  const rows = rowsOf(holder);
  const at = rows.findIndex((row) => target instanceof Node && row.contains(target));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  if (at < 0 || next === undefined) return false;
  const place = stopsOf(rows[at] ?? next).indexOf(target as HTMLElement);
  const stops = stopsOf(next);
  (stops[place] ?? stops[0])?.focus();
  return true;
}

/** Moves to the first row of the view that is shown; for who presses j from anywhere. */
export function enterRows(): void {
  const row = document.querySelector<HTMLElement>('main [data-row=chosen]');
  if (row !== null) stopsOf(row)[0]?.focus();
}
