import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { paramNamesOf } from '../../cli/format.ts';
import { ownValue } from '../../lib/json.ts';

const FOCUSABLE = 'a[href], button, input, select';
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -1e9, End: 1e9 };

/**
 * Roving focus: a table's rows are one stop of the Tab key. Arrow keys, j, k, Home and End move between rows, and Tab moves
 * through the controls of a row. The ref goes on the element that holds the rows, which are marked `data-row`.
 */
function useRoving<T extends HTMLElement>(): RefObject<T | null> {
  const ref = useRef<T>(null);
  // After each render, as rows come and go.
  useEffect(() => {
    const { current: holder } = ref;
    if (holder === null) return;
    const rows = rowsOf(holder);
    const chosen = rows.find((row) => row.dataset.row === 'chosen') ?? rows[0];
    if (chosen !== undefined) choose(rows, chosen);
  });
  useEffect(() => {
    const { current: holder } = ref;
    if (holder === null) return undefined;
    const onFocus = ({ target }: FocusEvent): void => {
      const row = target instanceof Element ? target.closest<HTMLElement>('[data-row]') : null;
      if (row !== null) choose(rowsOf(holder), row);
    };
    const onKey = (event: KeyboardEvent): void => {
      const step = STEPS[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.target instanceof HTMLInputElement && event.target.type !== 'checkbox') return;
      if (!move(holder, event.target, step)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    holder.addEventListener('focusin', onFocus);
    holder.addEventListener('keydown', onKey);
    return () => {
      holder.removeEventListener('focusin', onFocus);
      holder.removeEventListener('keydown', onKey);
    };
  }, []);
  return ref;
}

const rowsOf = (holder: HTMLElement): readonly HTMLElement[] => [...holder.querySelectorAll<HTMLElement>('[data-row]')];
const stopsOf = (row: HTMLElement): readonly HTMLElement[] => [...row.querySelectorAll<HTMLElement>(FOCUSABLE)];

function choose(rows: readonly HTMLElement[], chosen: HTMLElement): void {
  for (const row of rows) {
    row.dataset.row = row === chosen ? 'chosen' : '';
    for (const stop of stopsOf(row)) stop.tabIndex = row === chosen ? 0 : -1;
  }
}

/** Focuses the same control in another row. Returns false if there is no row to move to. */
function move(holder: HTMLElement, target: EventTarget | null, step: number): boolean {
  const rows = rowsOf(holder);
  const at = rows.findIndex((row) => target instanceof Node && row.contains(target));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  if (at < 0 || next === undefined) return false;
  const place = stopsOf(rows[at] ?? next).indexOf(target as HTMLElement);
  const stops = stopsOf(next);
  (stops[place] ?? stops[0])?.focus();
  return true;
}

/** Focuses the chosen row of the view; for the key j pressed anywhere. */
export function focusRows(): void {
  const row = document.querySelector<HTMLElement>('main [data-row=chosen]');
  if (row !== null) stopsOf(row)[0]?.focus();
}

type Choices = readonly (readonly [value: string, words: string])[];

export function Options({ choices }: { readonly choices: Choices }) {
  return choices.map(([choice, words]) => (
    <option key={choice} value={choice}>
      {words}
    </option>
  ));
}

interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly choices: Choices;
  readonly onValue: (value: string) => void;
  /** Whether the key `/` focuses it. */
  readonly first?: boolean;
}

export function Choice({ id, label, value, choices, onValue, first = false }: ChoiceProps) {
  return (
    <>
      <label for={id}>{label}</label>
      <select id={id} data-filter={first} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        <Options choices={choices} />
      </select>
    </>
  );
}

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** `number`: right-aligned; `text`: takes the free width, and a line of its own on a narrow screen. */
  readonly kind?: 'number' | 'text' | 'tools';
}

interface TableProps<Row> {
  readonly caption: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string | number;
}

/** A table whose first column is the row header. On a narrow screen, each row is a card. */
export function Table<Row>({ caption, rows, columns, keyOf }: TableProps<Row>) {
  const ref = useRoving<HTMLTableSectionElement>();
  const [first, ...rest] = columns;
  if (first === undefined) return null;
  return (
    <table class="cards">
      <caption class="sr">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ title, kind }) => (
            <th key={title} scope="col" class={kind}>
              {kind === 'tools' ? <span class="sr">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={ref}>
        {rows.map((row) => (
          <tr key={keyOf(row)} data-row="">
            <th scope="row">{first.cell(row)}</th>
            {rest.map(({ title, kind, cell }) => (
              <td key={title} class={kind} data-label={title}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface WithParams {
  readonly params: Readonly<Record<string, string>> | null;
}

/** A column for each parameter of the tasks in the rows. */
export const paramColumns = <T extends WithParams>(rows: readonly T[]): readonly Column<T>[] =>
  paramNamesOf(rows).map((name) => ({ title: name, cell: ({ params }) => ownValue(params ?? {}, name) ?? '–' }));
