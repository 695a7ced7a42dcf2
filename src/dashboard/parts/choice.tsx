interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  /** Value and words. */
  readonly choices: readonly (readonly [value: string, words: string])[];
  readonly onValue: (value: string) => void;
  /** The filter that the key `/` goes to. */
  readonly first?: boolean;
}

/** One of a few, to narrow what is shown. */
export function Choice({ id, label, value, choices, onValue, first = false }: ChoiceProps) {
  return (
    <>
      <label for={id}>{label}</label>
      <select id={id} data-filter={first} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {choices.map(([choice, words]) => (
          <option key={choice} value={choice}>
            {words}
          </option>
        ))}
      </select>
    </>
  );
}
