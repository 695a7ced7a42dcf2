/** A place at which two JSON values differ. */
export interface Difference {
  /** `steps[0].counters.amount` */
  readonly path: string;
  readonly stated: unknown;
  readonly found: unknown;
}

/** Where two JSON values differ, depth first. A field that is undefined is none. */
export function* differences(stated: unknown, found: unknown, path = ''): Generator<Difference> {
  if (Array.isArray(stated) && Array.isArray(found)) {
    if (stated.length !== found.length) yield { path: `${path}.length`, stated: stated.length, found: found.length };
    for (const [index, value] of stated.slice(0, found.length).entries())
      yield* differences(value, found[index], `${path}[${index}]`);
    return;
  }
  if (isObject(stated) && isObject(found)) {
    for (const name of new Set([...Object.keys(stated), ...Object.keys(found)])) {
      const at = path === '' ? name : `${path}.${name}`;
      yield* differences(fieldOf(stated, name), fieldOf(found, name), at);
    }
    return;
  }
  if (stated !== found) yield { path, stated, found };
}

function fieldOf(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
