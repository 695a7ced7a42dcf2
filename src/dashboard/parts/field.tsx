import { useId } from 'preact/hooks';
import type { Field } from '../actions/action.ts';

interface FieldProps {
  readonly field: Field;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly disabled: boolean;
}

/** One thing to fill in. */
export function FieldInput({ field, value, onValue, disabled }: FieldProps) {
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
        {required && <span class="muted"> (needed)</span>}
      </label>
      {kind === 'choice' ? (
        <select {...common} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
          {choices.map(([choice, words]) => (
            <option key={choice} value={choice}>
              {words}
            </option>
          ))}
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
