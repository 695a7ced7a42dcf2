import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Command } from '../parts/section.tsx';
import { refusal, signIn } from '../session.ts';

/** Asks for a token. It is kept for this tab alone. */
export function SignIn() {
  const text = useSignal('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), [refusal.value]);
  return (
    <main id="main" class="sign-in" tabIndex={-1}>
      <h1>batchctl</h1>
      {refusal.value !== null && (
        <div class="alarm" role="alert">
          <b>Not let in:</b> {refusal.value}
        </div>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = text.value.trim();
          if (given !== '') signIn(given);
        }}
      >
        <p class="field">
          <label for="token">Token</label>
          <input
            id="token"
            ref={input}
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            aria-describedby="token-hint"
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
          <small id="token-hint">It is kept in this tab until you sign out or close it.</small>
        </p>
        <p class="buttons">
          <button type="submit" class="primary">
            Sign in
          </button>
        </p>
      </form>
      <p class="lead">Who can reach the store makes one, on the manager's machine or any with its profile:</p>
      <Command>batchctl manager token create NAME --scope operate</Command>
    </main>
  );
}
