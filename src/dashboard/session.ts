import { effect, signal } from '@preact/signals';
import { covers, type Scope } from '../model/api.ts';
import type { Me } from './api-routes.ts';

/** Of this tab alone, and gone with it. */
const KEPT_AS = 'batchctl.token';

/** The token that calls are made with; null: nobody is signed in. */
export const token = signal<string | null>(sessionStorage.getItem(KEPT_AS));
/** Whose token it is; null until the manager has said so. */
export const me = signal<Me | null>(null);
/** Why a token is asked for again. */
export const refusal = signal<string | null>(null);

effect(() => {
  if (token.value === null) sessionStorage.removeItem(KEPT_AS);
  else sessionStorage.setItem(KEPT_AS, token.value);
});

export function signIn(text: string): void {
  refusal.value = null;
  token.value = text;
}

/** `why`: the manager refused the token; null when a person leaves. */
export function signOut(why: string | null): void {
  token.value = null;
  me.value = null;
  refusal.value = why;
}

/** Why the token doesn't let its holder do it; null when it does. */
export function lacks(scope: Scope): string | null {
  const held = me.value?.scope;
  if (held === undefined) return 'not known yet what this token may do';
  return covers(held, scope) ? null : `this token may ${WORDS[held]}: it takes one with the scope ${scope}`;
}

const WORDS: Readonly<Record<Scope, string>> = {
  read: 'only look (scope read)',
  submit: 'look and submit (scope submit)',
  operate: 'do everything',
};
