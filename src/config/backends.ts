export const BACKENDS = ['local', 'aws', 'manager'] as const;
export type Backend = (typeof BACKENDS)[number];

/** Defaults that `parseSimpleLocal` needs without the schema, where all others are. */
export const LOCAL_DEFAULTS = { protect: false, root: '.batchctl', durability: 'process' } as const;
