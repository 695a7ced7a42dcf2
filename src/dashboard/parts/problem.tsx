import type { CallError } from '../call.ts';

/** Why something isn't here, and what mends it. */
export function Problem({ error, again }: { readonly error: CallError; readonly again?: () => void }) {
  return (
    <div class="alarm" role="alert">
      <p>
        <b>{error.message}</b>
      </p>
      {error.hint !== null && <p>{error.hint}</p>}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
