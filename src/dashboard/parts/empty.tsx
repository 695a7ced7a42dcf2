import { Command } from './command.tsx';

/** Nothing is here, and what would change that. */
export function Empty({ children, command }: { readonly children: string; readonly command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command !== undefined && <Command>{command}</Command>}
    </div>
  );
}

/** Until the first answer. */
export function Loading({ what }: { readonly what: string }) {
  return <p class="loading">Loading {what}...</p>;
}
