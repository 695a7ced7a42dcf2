import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { formatMany } from '../../cli/format.ts';
import type { GridBand, GridCell, GridRow } from '../../model/period-grid.ts';
import type { Overview, Periods, Status } from '../api-routes.ts';
import { now, zone } from '../clock.ts';
import { hashOf, jobHash } from '../hash.ts';
import { Section } from '../parts/section.tsx';
import { appearanceOf, type CellAppearance, columnWords, toneOfCell, UNIT_WORDS } from '../words/periods.ts';

export function PeriodsSection({ periods, seen }: { readonly periods: Periods; readonly seen: Overview }) {
  const description = useSignal<string | null>(null);
  if (periods.bands.length === 0) return null;
  const statuses = new Map(seen.jobs.map((status) => [status.job, status]));
  const left = periods.bands.reduce((sum, band) => sum + band.left, 0);
  return (
    <Section title="By period">
      <Legend />
      {periods.bands.map((band) => (
        <Band
          key={band.unit}
          band={band}
          statuses={statuses}
          onText={(text) => {
            description.value = text;
          }}
        />
      ))}
      <p class="told">
        {description.value ?? 'Point at a run, or move through the grid with the arrow keys, to read about it.'}
      </p>
      {left > 0 && <p class="note">{formatMany(left, 'more job')} with nothing wrong.</p>}
      {periods.more && <p class="note">Only the newest 2,000 jobs are shown.</p>}
      {periods.troubles.map(({ message }) => (
        <p key={message} class="alarm">
          <b>Some runs are not shown:</b> {message}
        </p>
      ))}
    </Section>
  );
}

/** In the order of the legend. */
const SHAPES: Readonly<Record<GridCell['state'], string>> = {
  succeeded: 'M4 8.5l3 3 5.5-7',
  failed: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  running: 'M5.5 3.8v8.4l6.5-4.2z',
  submitted: 'M4 8h.1M8 8h.1M12 8h.1',
  paused: 'M5.7 4v8M10.3 4v8',
  cancelled: 'M4 8h8',
  due: 'M8 4v4.2l2.8 2',
  missed: 'M8 3v6M8 12.4v.1',
  coming: 'M8 8h.1',
};

const LEGEND = Object.keys(SHAPES) as readonly GridCell['state'][];
const LEGEND_WORDS: Readonly<Partial<Record<GridCell['state'], string>>> = {
  due: 'not started',
  missed: 'never ran',
  coming: 'to come',
};

function Shape({ look: { state, tone, late } }: { readonly look: Pick<CellAppearance, 'state' | 'tone' | 'late'> }) {
  return (
    <span class={`run ${tone} is-${state}${late === null ? '' : ` ${late}`}`}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <path d={SHAPES[state]} />
      </svg>
    </span>
  );
}

function Legend() {
  return (
    <ul class="runs-legend">
      {LEGEND.map((state) => (
        <li key={state}>
          <Shape look={{ state, late: null, tone: toneOfCell(state) }} /> {LEGEND_WORDS[state] ?? state}
        </li>
      ))}
      <li>
        <Shape look={{ state: 'succeeded', late: 'late', tone: 'good' }} /> late
      </li>
    </ul>
  );
}

interface BandProps {
  readonly band: GridBand;
  readonly statuses: ReadonlyMap<string, Status>;
  readonly onText: (text: string | null) => void;
}

const STEPS: Readonly<Record<string, readonly [down: number, right: number]>> = {
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  Home: [0, -1e9],
  End: [0, 1e9],
  PageDown: [1e9, 0],
  PageUp: [-1e9, 0],
};

/** One stop of the Tab key; the arrow keys move between cells, and Enter opens a run. */
function Band({ band: { unit, columns, rows }, statuses, onText }: BandProps) {
  const grid = useRef<HTMLTableElement>(null);
  const chosen = useSignal<readonly [row: number, column: number]>([0, 0]);
  const within = (n: number, length: number): number => Math.max(0, Math.min(length - 1, n));
  const [atRow, atColumn] = [within(chosen.value[0], rows.length), within(chosen.value[1], columns.length)];
  const onKey = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (step === undefined || event.altKey || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = [within(atRow + step[0], rows.length), within(atColumn + step[1], columns.length)];
    chosen.value = [row, column];
    grid.current?.querySelector<HTMLElement>(`[data-at="${row} ${column}"]`)?.focus();
  };
  const name = UNIT_WORDS[unit];
  return (
    <div class="periods">
      {/* Without tbody: j and k move through tables of rows, and this is no such table. */}
      <table
        ref={grid}
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: ARIA's pattern of a grid is a table
        role="grid"
        aria-label={`Runs by job, ${name.toLowerCase()}`}
        aria-readonly="true"
        onKeyDown={onKey}
        onMouseLeave={() => onText(null)}
      >
        <tr>
          <th scope="col">{name}</th>
          {columns.map((column, index) => {
            const { above, below, whole, quiet } = columnWords(unit, column, columns[index - 1]);
            return (
              <th key={column} scope="col" class={quiet ? 'quiet' : ''} aria-label={whole}>
                <small>{above}</small>
                {below}
              </th>
            );
          })}
        </tr>
        {rows.map((row, y) => (
          <tr key={`${row.name} ${row.schedule}`}>
            <th scope="row" title={row.name}>
              {row.name}
              {row.schedule !== null && <small>{row.schedule}</small>}
            </th>
            {columns.map((column, x) => (
              <Cell
                key={column}
                row={row}
                onText={onText}
                at={`${y} ${x}`}
                cell={row.cells[x] ?? null}
                status={statuses.get(row.cells[x]?.job ?? '')}
                none={`${row.schedule ?? row.name} · ${columnWords(unit, column, undefined).whole} · no run`}
                isChosen={y === atRow && x === atColumn}
                onChosen={() => {
                  chosen.value = [y, x];
                }}
              />
            ))}
          </tr>
        ))}
      </table>
    </div>
  );
}

interface CellProps {
  readonly row: GridRow;
  readonly cell: GridCell | null;
  /** Where it is, for the arrow keys. */
  readonly at: string;
  readonly status: Status | undefined;
  /** The text of an empty cell. */
  readonly none: string;
  readonly isChosen: boolean;
  readonly onChosen: () => void;
  readonly onText: (text: string | null) => void;
}

function Cell({ row, cell, at, status, none, isChosen, onChosen, onText }: CellProps) {
  const look = cell === null ? null : appearanceOf(row, cell, status, zone, now.value);
  const text = look?.text ?? none;
  const common = {
    'data-at': at,
    'aria-label': text,
    tabIndex: isChosen ? 0 : -1,
    onFocus: () => {
      onChosen();
      onText(text);
    },
    onBlur: () => onText(null),
    onMouseEnter: () => onText(text),
  };
  if (cell === null || look === null) return <td {...common} />;
  const runs = Object.values(cell.states).reduce((sum, count) => sum + count, 0);
  return (
    <td>
      <a href={cell.job === null ? hashOf(['schedules']) : jobHash(cell.job)} {...common}>
        <Shape look={look} />
        {runs > 1 && <small class="runs">{runs > 99 ? '99+' : runs}</small>}
      </a>
    </td>
  );
}
