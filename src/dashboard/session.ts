import { effect, signal } from '@preact/signals';
import { hasScope, type Scope } from '../model/api.ts';
import type { Me } from './api-routes.ts';

/** The key in session storage, which belongs to one tab and is deleted with it. */
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

/** Milliseconds that a new tab waits for another tab's token before it asks a person. */
const ANSWER_MS = 250;

/** True while a new tab waits for another tab's token. */
export const asking = signal(false);

type TabMessage =
  | { readonly ask: string }
  | { readonly to: string; readonly token: string }
  /** A person has signed out. */
  | { readonly out: string };

/**
 * Between the tabs of this page. A link opened in a new tab starts an empty session storage, so a signed-in tab gives
 * the new one its token. Only pages of this origin and path take part, and nothing is stored.
 */
const tabs = new BroadcastChannel(`batchctl.session ${location.pathname}`);
const send = (message: TabMessage): void => tabs.postMessage(message);

/** Takes a signed-in tab's token if this tab has none, and gives it to others. */
export function startSharing(): void {
  const id = Math.random().toString(36).slice(2);
  tabs.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => {
    if ('ask' in data) {
      if (token.value !== null) send({ to: data.ask, token: token.value });
    } else if ('out' in data) {
      if (token.value === data.out) signOut(null);
    } else if (data.to === id && token.value === null && asking.value) {
      signIn(data.token);
      asking.value = false;
    }
  });
  if (token.value !== null) return;
  asking.value = true;
  send({ ask: id });
  setTimeout(() => {
    asking.value = false;
  }, ANSWER_MS);
}

/** A person signs out: all tabs that use the token do. */
export function signOutEverywhere(): void {
  const used = token.value;
  signOut(null);
  if (used !== null) send({ out: used });
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
