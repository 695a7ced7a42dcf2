import { signal, useSignal } from '@preact/signals';
import { useEffect, useId } from 'preact/hooks';
import type { Action, Field, Outcome, Values } from '../actions/action.ts';
import { asCallError, type CallError } from '../call.ts';
import { whyDenied } from '../session.ts';
import { whyOffline } from '../tab.ts';
import { changes } from '../use-query.ts';
import { announce, Command, Problem, useModal } from './section.tsx';
import { Options } from './table.tsx';

interface FieldProps {
  readonly field: Field;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly disabled: boolean;
}

function FieldInput({ field, value, onValue, disabled }: FieldProps) {
  const id = useId();
  const { name, label, kind, hint, required = false, choices = [] } = field;
  const common = { id, name, disabled, ...(hint !== undefined && { 'aria-describedby': `${id}-hint` }) };
  if (kind === 'flag') {
    const onChange = (event: { readonly currentTarget: HTMLInputElement }): void =>
      onValue(event.currentTarget.checked ? 'yes' : '');
    return (
      <p class="field flag">
        <input type="checkbox" {...common} checked={value === 'yes'} onChange={onChange} />
        <label for={id}>{label}</label>
      </p>
    );
  }
  return (
    <p class="field">
      <label for={id}>
        {label}
        {required && <span class="muted"> (required)</span>}
      </label>
      {kind === 'choice' ? (
        <select {...common} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
          <Options choices={choices} />
        </select>
      ) : (
        <input
          {...common}
          type="text"
          inputMode={kind === 'count' ? 'numeric' : 'text'}
          pattern={kind === 'count' ? '[0-9]*' : undefined}
          title={kind === 'count' ? 'a whole number' : undefined}
          required={required}
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      )}
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </p>
  );
}

/** Asks for confirmation of an action, with an explanation and the equivalent command, and shows the result. */
export function ActionDialog() {
  const action = openAction.value;
  return action === null ? null : <OpenDialog key={action.name} action={action} />;
}

type Stage =
  | { readonly at: 'asking' }
  | { readonly at: 'running' }
  | { readonly at: 'failed'; readonly error: CallError }
  | { readonly at: 'done'; readonly outcome: Outcome };

function OpenDialog({ action }: { readonly action: Action }) {
  const dialog = useModal();
  const title = useId();
  const stage = useSignal<Stage>({ at: 'asking' });
  const values = useSignal<Values>(Object.fromEntries(action.fields.map(({ name, initial = '' }) => [name, initial])));
  // Not in the dialog's close event: it comes later, when the next key may have opened the dialog again.
  const close = (): void => {
    dialog.current?.close();
    openAction.value = null;
  };
  const run = async (): Promise<void> => {
    if (stage.value.at === 'running' || stage.value.at === 'done' || whyOffline() !== null) return;
    stage.value = { at: 'running' };
    try {
      const outcome = await action.run(values.value, false);
      stage.value = { at: 'done', outcome };
      changes.value += 1;
      announce(`done: ${outcome.text}`);
      // The fields are disabled by now, so the focus moves to the close button.
      queueMicrotask(() => dialog.current?.querySelector<HTMLElement>('[data-close]')?.focus());
    } catch (error) {
      stage.value = { at: 'failed', error: asCallError(error) };
    }
  };
  const { at } = stage.value;
  const offline = whyOffline();
  return (
    <dialog
      ref={dialog}
      aria-labelledby={title}
      onClose={() => {
        if (dialog.current !== null) close();
      }}
      onCancel={(event) => {
        event.preventDefault();
        if (at !== 'running') close();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <h2 id={title}>{action.name}</h2>
        {action.what.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        {action.fields.map((field) => (
          <FieldInput
            key={field.name}
            field={field}
            disabled={at === 'running' || at === 'done'}
            value={values.value[field.name] ?? ''}
            onValue={(value) => {
              values.value = { ...values.value, [field.name]: value };
            }}
          />
        ))}
        {action.preview && (at === 'asking' || at === 'failed') && <Preview action={action} values={values.value} />}
        <div class="same">
          <span class="muted">Equivalent command</span>
          <Command>{action.command(values.value)}</Command>
        </div>
        {at !== 'done' && offline !== null && <p class="alarm">{offline}</p>}
        {stage.value.at === 'failed' && <Problem error={stage.value.error} />}
        {stage.value.at === 'done' && <Done outcome={stage.value.outcome} />}
        <p class="buttons">
          {at !== 'done' && (
            <button
              type="submit"
              class={action.danger ? 'primary danger' : 'primary'}
              aria-disabled={at === 'running' || offline !== null}
            >
              {at === 'running' ? 'Working...' : action.label}
            </button>
          )}
          <button type="button" data-close onClick={close} disabled={at === 'running'}>
            {at === 'done' ? 'Close' : 'Go back'}
          </button>
        </p>
      </form>
    </dialog>
  );
}

function Done({ outcome }: { readonly outcome: Outcome }) {
  return (
    <div class="calm">
      <p>
        <b>Done.</b> {outcome.text}
      </p>
      {outcome.warnings.map((warning) => (
        <p key={warning}>{warning}</p>
      ))}
    </div>
  );
}

/** Milliseconds without a keystroke before the preview is fetched. */
const QUIET_MS = 250;

function Preview({ action, values }: { readonly action: Action; readonly values: Values }) {
  const preview = useSignal<string | null>(null);
  const key = JSON.stringify(values);
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => {
      const show = (text: string): void => {
        if (wanted) preview.value = text;
      };
      action.run(values, true).then(
        ({ text }) => show(text),
        (error: unknown) => show(asCallError(error).message),
      );
    }, QUIET_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [key]);
  return <p class="preview">{preview.value ?? 'Checking what would happen...'}</p>;
}

/** The action whose dialog is open; null for none. */
export const openAction = signal<Action | null>(null);

/** Opens an action's dialog. Without the right to it, the button stays focusable and says why it is disabled. */
export function ActionButton({ action }: { readonly action: Action }) {
  const denied = whyOffline() ?? whyDenied(action.scope);
  const open = (): void => {
    if (denied === null) openAction.value = action;
    else announce(denied);
  };
  return (
    <button
      type="button"
      class={action.danger ? 'danger' : ''}
      aria-label={denied === null ? `${action.name}...` : `${action.name}: ${denied}`}
      aria-disabled={denied !== null}
      title={denied ?? undefined}
      onClick={open}
    >
      {action.label}
    </button>
  );
}
