import { signal } from '@preact/signals';
import { hashOf, jobHash } from '../hash.ts';
import { route } from '../route.ts';
import { nextScheme } from '../scheme.ts';
import { token } from '../session.ts';
import { openAction } from './action-dialog.tsx';
import { focusRows } from './table.tsx';

/** Whether the list of shortcuts is open. */
export const helpShown = signal(false);
/** Single-key shortcuts can get in the way of speech input, so they can be turned off. */
export const keysOn = signal(true);

interface Shortcut {
  readonly key: string;
  readonly does: string;
  readonly act: () => void;
}

const go = (hash: string) => (): void => {
  location.hash = hash;
};

function up(): void {
  const { view, names } = route.value;
  const [job = '', page] = names;
  location.hash = view === 'jobs' && page !== undefined ? jobHash(job) : hashOf([view]);
}

export const SHORTCUTS: readonly Shortcut[] = [
  { key: '1', does: 'go to jobs', act: go('#/jobs') },
  { key: '2', does: 'go to workers', act: go('#/workers') },
  { key: '3', does: 'go to queues', act: go('#/queues') },
  { key: '4', does: 'go to schedules', act: go('#/schedules') },
  { key: 'j', does: 'go to the rows; then j and k, or the arrow keys, move between them', act: focusRows },
  { key: '/', does: 'go to the filter', act: () => document.querySelector<HTMLElement>('[data-filter]')?.focus() },
  { key: 'u', does: 'go up one level', act: up },
  { key: 't', does: 'switch colours: dark, light or as the system', act: nextScheme },
  {
    key: '?',
    does: 'show this list',
    act: () => {
      helpShown.value = true;
    },
  },
];

const TYPING = 'input:not([type=checkbox]), textarea, select';

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (!keysOn.value || token.value === null || helpShown.value || openAction.value !== null) return;
    if (event.target instanceof Element && event.target.matches(TYPING)) return;
    const found = SHORTCUTS.find(({ key }) => key === event.key);
    if (found === undefined) return;
    event.preventDefault();
    found.act();
  });
}
