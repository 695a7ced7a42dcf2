import { widthOf } from './axis.ts';

/** A label where it was put: `row` 0 is next to the plot. */
export interface PlacedLabel {
  readonly at: number;
  readonly label: string;
  readonly row: number;
  readonly anchor: 'start' | 'middle' | 'end';
}

/** Pixels between two labels in a row. */
const GAP = 10;

/**
 * Puts labels above the places that they name (shares of a plot of so many pixels), each in the lowest row where it neither
 * touches another nor leaves the plot.
 */
export function labelRows(
  labels: readonly { readonly at: number; readonly label: string }[],
  pixels: number,
): readonly PlacedLabel[] {
  const taken: { row: number; from: number; to: number }[] = [];
  return labels.map(({ at, label }) => {
    const width = widthOf(label);
    const centre = at * pixels;
    const anchor = centre < width / 2 ? 'start' : centre > pixels - width / 2 ? 'end' : 'middle';
    const from = centre - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
    const to = from + width;
    // A wider screen moves places apart and never together, so what fits here fits there.
    const free = (row: number): boolean =>
      taken.every((other) => other.row !== row || from >= other.to + GAP || to <= other.from - GAP);
    let row = 0;
    while (!free(row)) row += 1;
    taken.push({ row, from, to });
    return { at, label, row, anchor };
  });
}
