import { useEffect, useRef } from 'preact/hooks';
import { helpShown, keysOn, SHORTCUTS } from '../keys.ts';

/** What the keyboard does. */
export function HelpDialog() {
  return helpShown.value ? <Shown /> : null;
}

function Shown() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help-title"
      onClose={() => {
        helpShown.value = false;
      }}
    >
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {SHORTCUTS.map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>Tab</kbd>
          </dt>
          <dd>through what a row has, and on; Enter opens</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>leaves a question unanswered</dd>
        </div>
      </dl>
      <p class="field flag">
        <input
          type="checkbox"
          id="keys-on"
          checked={keysOn.value}
          onChange={(event) => {
            keysOn.value = event.currentTarget.checked;
          }}
        />
        <label for="keys-on">Single letters do this</label>
      </p>
      <p class="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </p>
    </dialog>
  );
}
