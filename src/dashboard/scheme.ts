import { effect, signal } from '@preact/signals';

export type Scheme = 'system' | 'light' | 'dark';

/** The key in local storage, because the choice doesn't depend on who is signed in and may outlive the tab. */
const STORAGE_KEY = 'batchctl.scheme';
const DARK = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(DARK.matches);

export const scheme = signal<Scheme>(storedScheme());

function storedScheme(): Scheme {
  const found = localStorage.getItem(STORAGE_KEY);
  return found === 'light' || found === 'dark' ? found : 'system';
}

export const isDark = (): boolean => (scheme.value === 'system' ? systemIsDark.value : scheme.value === 'dark');

const AFTER: Readonly<Record<Scheme, Scheme>> = { system: 'dark', dark: 'light', light: 'system' };

export function nextScheme(): void {
  scheme.value = AFTER[scheme.value];
}

export function startScheme(): void {
  DARK.addEventListener('change', ({ matches }) => {
    systemIsDark.value = matches;
  });
  effect(() => {
    const { value } = scheme;
    if (value === 'system') {
      delete document.documentElement.dataset.scheme;
      localStorage.removeItem(STORAGE_KEY);
    } else {
      document.documentElement.dataset.scheme = value;
      localStorage.setItem(STORAGE_KEY, value);
    }
  });
}
