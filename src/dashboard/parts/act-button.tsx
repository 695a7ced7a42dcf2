import { signal } from '@preact/signals';
import type { Action } from '../actions/action.ts';
import { lacks } from '../session.ts';
import { announce } from './section.tsx';

/** The action that is asked about; null: none. */
export const asked = signal<Action | null>(null);

/** Opens the question whether to do it. Without the right to, it says why not: it can be reached, but does nothing. */
export function ActButton({ action }: { readonly action: Action }) {
  const lacking = lacks(action.scope);
  const open = (): void => {
    if (lacking === null) asked.value = action;
    else announce(lacking);
  };
  return (
    <button
      type="button"
      class={action.danger ? 'danger' : ''}
      aria-label={lacking === null ? `${action.name}...` : `${action.name}: ${lacking}`}
      aria-disabled={lacking !== null}
      title={lacking ?? undefined}
      onClick={open}
    >
      {action.label}
    </button>
  );
}
