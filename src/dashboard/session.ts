import { effect, signal } from '@preact/signals';
import { covers, type Scope } from '../model/api.ts';
import type { Me } from './api-routes.ts';

/** The key in session storage, which belongs to this tab and is deleted with it. */
const KEPT_AS = 'batchctl.token';

/** The token that calls use; null when signed out. */
export const token = signal<string | null>(sessionStorage.getItem(KEPT_AS));
/** The token's name and scope; null until the manager has answered. */
export const me = signal<Me | null>(null);
/** Why the page signed out; null if a person did. */
export const refusal = signal<string | null>(null);

effect(() => {
  if (token.value === null) sessionStorage.removeItem(KEPT_AS);
  else sessionStorage.setItem(KEPT_AS, token.value);
});

export function signIn(text: string): void {
  refusal.value = null;
  token.value = text;
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
  return covers(held, scope) ? null : `requires a token with the scope ${scope}; this one has the scope ${held}`;
}
