import { signal } from '@preact/signals';
import { hashOf, jobHash } from './hash.ts';
import { asked } from './parts/action-dialog.tsx';
import { enterRows } from './parts/table.tsx';
import { route } from './route.ts';
import { nextScheme } from './scheme.ts';
import { token } from './session.ts';

/** Whether the list of shortcuts is shown. */
export const helpShown = signal(false);
/** Single letters can get in the way of who speaks to the machine: they can be turned off. */
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
  { key: '1', does: 'jobs', act: go('#/jobs') },
  { key: '2', does: 'workers', act: go('#/workers') },
  { key: '3', does: 'queues', act: go('#/queues') },
  { key: '4', does: 'schedules', act: go('#/schedules') },
  { key: 'j', does: 'to the rows; then j and k, or arrows, from row to row', act: enterRows },
  { key: '/', does: 'to the filter', act: () => document.querySelector<HTMLElement>('[data-filter]')?.focus() },
  { key: 'u', does: 'up, to where it is one of', act: up },
  { key: 't', does: 'dark, light, or as the system has it', act: nextScheme },
  {
    key: '?',
    does: 'this list',
    act: () => {
      helpShown.value = true;
    },
  },
];

const TYPING = 'input:not([type=checkbox]), textarea, select';

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (!keysOn.value || token.value === null || helpShown.value || asked.value !== null) return;
    if (event.target instanceof Element && event.target.matches(TYPING)) return;
    const found = SHORTCUTS.find(({ key }) => key === event.key);
    if (found === undefined) return;
    event.preventDefault();
    found.act();
  });
}
