import type { ComponentChildren } from 'preact';
import { useRoving } from './roving.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** `number`: to the right; `text`: takes the room that is there, and a line of its own on a narrow screen. */
  readonly kind?: 'number' | 'text' | 'tools';
}

interface TableProps<Row> {
  readonly caption: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string | number;
}

/** Rows whose first column names them. On a narrow screen each is a card. */
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
