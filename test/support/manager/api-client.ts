import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Json = Readonly<Record<string, unknown>>;
interface Operation {
  readonly responses: Readonly<Record<string, Answered>>;
}
interface Answered {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** Says whether answers are what the API's document says of them. */
export class ApiDocument {
  readonly document: Json;
  readonly #ajv = new Ajv2020.default({ strict: false, allErrors: true });
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(document: Json) {
    this.document = document;
    addFormats.default(this.#ajv);
    this.#ajv.addSchema({ ...document, $id: 'api' });
  }

  get paths(): Paths {
    return this.document.paths as Paths;
  }

  /** Throws unless the document has the call, and the answer's status, type and body are as it says. */
  check(method: string, url: string, status: number, type: string, body: string): void {
    const path = new URL(url, 'http://api').pathname;
    const template = Object.keys(this.paths)
      .filter((each) => new RegExp(`^${each.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path))
      .sort((a, b) => a.split('{').length - b.split('{').length)[0];
    const known = template === undefined ? undefined : this.paths[template]?.[method.toLowerCase()];
    // What is no call of the API is told in the form of its errors.
    const at =
      known === undefined ? 'components/responses/Refused' : this.#responseAt(template ?? '', method, known, status);
    const [is = ''] = type.split(';');
    const response = this.#at(at) as Answered;
    if (method === 'HEAD' || response.content === undefined) return;
    const said = response.content[is];
    if (said === undefined)
      throw new Error(`${method} ${path} ${status}: expected ${Object.keys(response.content)}, found ${is}`);
    if (!is.endsWith('/json') || said.schema === undefined) return;
    this.validate(`${at}/content/${escaped(is)}/schema`, JSON.parse(body), `${method} ${path} ${status}`);
  }

  /** Throws unless the value is as the schema at that place of the document says. */
  validate(at: string, value: unknown, what = at): void {
    const validate = this.#compiled.get(at) ?? this.#ajv.compile({ $ref: `api#/${at}` });
    this.#compiled.set(at, validate);
    if (validate(value)) return;
    throw new Error(`${what}: ${this.#ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 400)}`);
  }

  #responseAt(path: string, method: string, { responses }: Operation, status: number): string {
    const name = [String(status), `${String(status)[0]}XX`].find((each) => responses[each] !== undefined);
    if (name === undefined) throw new Error(`${method} ${path}: the document knows no answer ${status}`);
    const ref = responses[name]?.$ref;
    return ref?.slice('#/'.length) ?? `paths/${escaped(path)}/${method.toLowerCase()}/responses/${name}`;
  }

  #at(pointer: string): unknown {
    return pointer.split('/').reduce<unknown>((of, name) => (of as Json)[unescaped(name)], this.document);
  }
}

const escaped = (name: string): string => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
const unescaped = (name: string): string => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
