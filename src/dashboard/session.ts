import { effect, signal } from '@preact/signals';
import { hasScope, type Scope } from '../model/api.ts';
import type { Me } from './api-routes.ts';

/** The key in session storage, which belongs to this tab and is deleted with it. */
const STORAGE_KEY = 'batchctl.token';

/** The token that calls use; null when signed out. */
export const token = signal<string | null>(sessionStorage.getItem(STORAGE_KEY));
/** The token's name and scope; null until the manager has answered. */
export const me = signal<Me | null>(null);
/** Why the page signed out; null if a person did. */
export const refusal = signal<string | null>(null);

effect(() => {
  if (token.value === null) sessionStorage.removeItem(STORAGE_KEY);
  else sessionStorage.setItem(STORAGE_KEY, token.value);
});

export function signIn(text: string): void {
  refusal.value = null;
  token.value = text;
}

/** `#sign-in=CODE`: the link that the manager prints on the terminal it was started from. */
const LINK = /^#sign-in=([A-Za-z0-9_-]+)$/;

/**
 * Exchanges the code of such a link for a token, now and whenever the address becomes one. Call it before the route
 * reads the hash: the code is removed from the address and the history.
 */
export function startSignInLink(): void {
  const take = (): void => {
    const code = LINK.exec(location.hash)?.[1];
    if (code === undefined) return;
    history.replaceState(history.state, '', location.pathname + location.search);
    void exchange(code);
  };
  addEventListener('hashchange', take);
  take();
}

async function exchange(code: string): Promise<void> {
  try {
    const answer = await fetch('./sign-in', {
      method: 'POST',
      headers: { authorization: `Code ${code}` },
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
    const { token: text, error } = (await answer.json()) as {
      readonly token?: string;
      readonly error?: { readonly message: string };
    };
    if (text !== undefined) signIn(text);
    else signOut(error?.message ?? `the manager answered ${answer.status}`);
  } catch {
    signOut('the manager did not answer; reload the page with the link');
  }
}

/** `why`: the manager's reason for refusing the token; null if a person signs out. */
export function signOut(why: string | null): void {
  token.value = null;
  me.value = null;
  refusal.value = why;
}

/** Why the token does not allow an action of this scope; null if it does. */
export function whyDenied(scope: Scope): string | null {
  const held = me.value?.scope;
  if (held === undefined) return "this token's rights are not known yet";
  return hasScope(held, scope) ? null : `requires a token with the scope ${scope}; this one has the scope ${held}`;
}
