/** The refusal of a request by a service of the query protocol. */
export class QueryError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export const invalid = (message: string): QueryError => new QueryError('ValidationError', message);

/** Parameters of the query protocol: `Tags.member.1.Key`. */
export class Form {
  readonly #values: ReadonlyMap<string, string>;
  readonly #prefix: string;

  constructor(values: ReadonlyMap<string, string>, prefix = '') {
    this.#values = values;
    this.#prefix = prefix;
  }

  static parse(body: string): Form {
    return new Form(new Map(new URLSearchParams(body)));
  }

  text(name: string): string | undefined {
    return this.#values.get(this.#prefix + name);
  }

  /** The value of a required parameter. */
  need(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw invalid(`Value null at '${name}' failed to satisfy constraint`);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : value === 'true';
  }

  list(name: string): readonly string[] {
    return this.#members(name).flatMap((prefix) => this.#values.get(prefix) ?? []);
  }

  /** A list of structures. */
  each(name: string): readonly Form[] {
    return this.#members(name).map((prefix) => new Form(this.#values, `${prefix}.`));
  }

  /** A structure; undefined if none of its fields is given. */
  at(name: string): Form | undefined {
    const prefix = `${this.#prefix}${name}.`;
    return this.#has(prefix) ? new Form(this.#values, prefix) : undefined;
  }

  #members(name: string): readonly string[] {
    const found: string[] = [];
    for (let number = 1; ; number += 1) {
      const prefix = `${this.#prefix}${name}.member.${number}`;
      if (!this.#values.has(prefix) && !this.#has(`${prefix}.`)) return found;
      found.push(prefix);
    }
  }

  #has(prefix: string): boolean {
    for (const key of this.#values.keys()) if (key.startsWith(prefix)) return true;
    return false;
  }
}

/** An answer: structures, lists and scalars. Undefined and null are left out. */
export type Shape =
  | undefined
  | null
  | string
  | number
  | boolean
  | Date
  | readonly Shape[]
  | { readonly [name: string]: Shape };

/** Writes a list as `<member>` elements, and a time as ISO 8601 in UTC. */
export function toXml(shape: Shape): string {
  if (shape === undefined || shape === null) return '';
  if (shape instanceof Date) return shape.toISOString();
  if (Array.isArray(shape)) return shape.map((one) => `<member>${toXml(one)}</member>`).join('');
  if (typeof shape !== 'object') return escapeXml(String(shape));
  return Object.entries(shape)
    .map(([name, value]) => (value === undefined || value === null ? '' : `<${name}>${toXml(value)}</${name}>`))
    .join('');
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
