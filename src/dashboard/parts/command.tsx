import { useSignal } from '@preact/signals';
import { announce } from './announce.ts';

/** A command line to be typed, or copied. */
export function Command({ children }: { readonly children: string }) {
  /** What lies on the clipboard: the command may be another by now. */
  const copied = useSignal<string | null>(null);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(children);
    copied.value = children;
    announce('copied');
  };
  return (
    <span class="command">
      <code>{children}</code>
      {navigator.clipboard !== undefined && (
        <button type="button" class="quiet" onClick={() => void copy().catch(() => announce('it could not be copied'))}>
          {copied.value === children ? 'copied' : 'copy'}
          <span class="sr"> {children}</span>
        </button>
      )}
    </span>
  );
}
