/** A map of which nothing is known yet. */
export type Loose = Readonly<Record<string, unknown>>;

export const looseMap = (value: unknown): Loose | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : null;

export const entriesOf = (value: unknown): [string, unknown][] => Object.entries(looseMap(value) ?? {});

export const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
