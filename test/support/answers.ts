/**
 * What emulated services answer, compared byte for byte with AWS's own descriptions of the services' answers, as botocore
 * ships them: members, their types and formats, what is required, the names of elements, statuses and codes of errors.
 */
import { type AnswerModel, type Operation, type Ref, readAnswers, type Shape } from './aws-model.mjs';
import type { CloudCall, Reply } from './grid/front.ts';
import { UNTRUTHS } from './untruths.ts';
import { parseXml, type XmlElement } from './xml.ts';

/** Compares answers with the models, and remembers what departs from them. */
export class Answers {
  readonly #said = new Set<string>();
  /** `sqs ReceiveMessage 200`: each kind of answer that was compared. */
  readonly kinds = new Set<string>();

  /** To be called with each answer (`startFront`). */
  readonly take = (call: CloudCall, reply: Reply): void => {
    const { kind, found } = compare(call, reply);
    this.kinds.add(kind);
    for (const each of found) this.#said.add(each);
  };

  /** What no known untruth explains. */
  get surprises(): readonly string[] {
    return [...this.#said].filter((said) => !UNTRUTHS.some((one) => one.said.test(said))).sort();
  }

  /** Known untruths that no answer has (any more). */
  get outlived(): readonly string[] {
    const said = [...this.#said];
    return UNTRUTHS.filter((one) => !said.some((each) => one.said.test(each))).map((one) => one.said.source);
  }
}

/** How an answer departs from its service's model: `s3 GetObject 200: LastModified is "today", expected a time`. */
export function compare(call: CloudCall, reply: Reply): { readonly kind: string; readonly found: readonly string[] } {
  const model = modelOf(call.service);
  const name = model.protocol === 'rest-xml' ? restName(model, call) : call.action;
  const operation = model.operations[name];
  const kind = `${call.service} ${name} ${reply.status}`;
  const at = new Comparison(model);
  try {
    if (operation === undefined) at.say('the operation', 'is unknown');
    else if (reply.status < 300) at.success(operation, name, call, reply);
    else if (reply.status !== 304) at.failure(call, reply);
  } catch (error) {
    at.say('the body', `can't be read: ${String(error).slice(0, 60)}`);
  }
  return { kind, found: at.found.map((each) => `${kind}: ${each}`) };
}

const models = new Map<string, AnswerModel>();

function modelOf(service: string): AnswerModel {
  const known = models.get(service) ?? readAnswers(service);
  models.set(service, known);
  return known;
}

/** The name of a request to S3: the operation whose path, query and headers it has most of. */
function restName({ operations, shapes }: AnswerModel, { method, url, headers }: CloudCall): string {
  const [, bucket = '', ...key] = url.pathname.split('/');
  const path = bucket === '' ? '/' : key.join('/') === '' ? '/{Bucket}' : '/{Bucket}/{Key+}';
  let best = { name: `${method} ${path}`, score: -1 };
  for (const [name, { http, input, deprecated }] of Object.entries(operations)) {
    const [at = '', query = ''] = http.requestUri.split('?');
    if (deprecated === true || http.method !== method || at !== path) continue;
    const literals = [...new URLSearchParams(query)].map(([word, value]) => url.searchParams.get(word) === value);
    const { required = [], members = {} } = (input && shapes[input.shape]) ?? {};
    const needed = required.flatMap((field) => {
      const { location, locationName = field } = members[field] ?? {};
      if (location === 'querystring') return [url.searchParams.has(locationName)];
      return location === 'header' ? [headers[locationName.toLowerCase()] !== undefined] : [];
    });
    const all = [...literals, ...needed];
    if (all.every(Boolean) && all.length > best.score) best = { name, score: all.length };
  }
  return best.name;
}

/** Errors of all services that their models don't list (each API's reference: Common Errors). */
const COMMON: Readonly<Record<string, number>> = {
  AccessDenied: 403,
  AccessDeniedException: 400,
  InternalFailure: 500,
  InvalidClientTokenId: 403,
  RequestExpired: 400,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  Throttling: 400,
  ThrottlingException: 400,
  ValidationError: 400,
};

/**
 * Errors that the services' pages list and their models don't: S3, Error responses; EC2, Error codes for the API;
 * SimpleDB, API Error Codes.
 */
const LISTED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  s3: {
    BucketNotEmpty: 409,
    InvalidRange: 416,
    NoSuchBucketPolicy: 404,
    NoSuchLifecycleConfiguration: 404,
    NoSuchPublicAccessBlockConfiguration: 404,
    NoSuchTagSet: 404,
    NoSuchVersion: 404,
    OwnershipControlsNotFoundError: 404,
    PreconditionFailed: 412,
    ServerSideEncryptionConfigurationNotFoundError: 404,
  },
  ec2: {
    DependencyViolation: 400,
    'InvalidAMIID.NotFound': 400,
    'InvalidGroup.Duplicate': 400,
    'InvalidGroup.NotFound': 400,
    'InvalidInstanceID.NotFound': 400,
    'InvalidLaunchTemplateId.NotFound': 400,
    'InvalidLaunchTemplateName.AlreadyExistsException': 400,
    'InvalidLaunchTemplateName.NotFoundException': 400,
    'InvalidPermission.Duplicate': 400,
    UnauthorizedOperation: 403,
  },
  sdb: { ConditionalCheckFailed: 409 },
};

/** Headers of S3 that every answer may have (Common response headers). */
const S3_HEADERS = ['x-amz-request-id', 'x-amz-id-2', 'x-amz-bucket-region'];

const FORMATS: Readonly<Record<string, readonly [RegExp, string]>> = {
  integer: [/^-?\d+$/, 'a whole number'],
  long: [/^-?\d+$/, 'a whole number'],
  double: [/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/, 'a number'],
  float: [/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/, 'a number'],
  boolean: [/^(true|false)$/, 'true or false'],
  blob: [/^[A-Za-z0-9+/]*={0,2}$/, 'base64'],
  timestamp: [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'a time such as 2026-11-30T06:00:00Z'],
  rfc822: [/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, 'a time such as Mon, 30 Nov 2026 06:00:00 GMT'],
};

class Comparison {
  readonly found: string[] = [];
  readonly #model: AnswerModel;

  constructor(model: AnswerModel) {
    this.#model = model;
  }

  say(at: string, what: string): void {
    const said = `${at === '' ? 'the answer' : at} ${what}`;
    if (!this.found.includes(said)) this.found.push(said);
  }

  success({ http, output }: Operation, name: string, { method }: CloudCall, { status, headers, body }: Reply): void {
    const { responseCode = status } = http;
    if (status !== responseCode) this.say('the status', `is ${status}, expected ${responseCode}`);
    const { protocol } = this.#model;
    const shape = output === undefined ? null : this.#shape(output);
    if (protocol === 'rest-xml') this.#headers(shape, headers);
    if (shape === null || method === 'HEAD') return;
    if (protocol === 'json') {
      this.#json(shape, JSON.parse(body.toString()), '');
      return;
    }
    if (protocol === 'rest-xml') {
      this.#payload(shape, body);
      return;
    }
    const root = parseXml(body.toString());
    if (root.name !== `${name}Response`) this.say('the root', `is <${root.name}>`);
    const { resultWrapper } = output ?? {};
    if (resultWrapper === undefined) {
      this.#structure(shape, without(root, 'requestId', 'ResponseMetadata'), '');
      return;
    }
    const results = root.children.filter((child) => child.name === resultWrapper);
    if (results[0] === undefined || results.length > 1) {
      this.say('the answer', `has ${results.length} <${resultWrapper}>`);
      return;
    }
    this.#structure(shape, results[0], '');
    for (const { name: other } of without(root, resultWrapper, 'ResponseMetadata').children)
      this.say('the answer', `has <${other}>, which is unknown`);
  }

  failure({ service, method }: CloudCall, { status, headers, body }: Reply): void {
    if (method === 'HEAD') return;
    const code = this.#model.protocol === 'json' ? jsonCode(body, headers) : xmlCode(this.#model.protocol, body);
    if (code === undefined) {
      this.say('the error', 'has no code where its protocol has it');
      return;
    }
    const expected = this.#statusOf(service, code);
    if (expected === undefined) this.say('the error', `${code} is unknown`);
    else if (expected !== null && expected !== status)
      this.say('the error', `${code} has status ${status}, expected ${expected}`);
  }

  /** The status of an error; null if no model says it, undefined if there is no such error. */
  #statusOf(service: string, code: string): number | null | undefined {
    for (const [name, { exception, error }] of Object.entries(this.#model.shapes)) {
      if (exception !== true || (error?.code ?? name) !== code) continue;
      return error?.httpStatusCode ?? null;
    }
    return LISTED[service]?.[code] ?? COMMON[code];
  }

  #shape({ shape }: Ref): Shape {
    const found = this.#model.shapes[shape];
    if (found === undefined) throw new Error(`the model has no ${shape}`);
    return found;
  }

  /** The headers of an answer of S3. */
  #headers(shape: Shape | null, headers: Reply['headers']): void {
    const refs = Object.entries(shape?.members ?? {});
    const prefixes = refs.flatMap(([, { location, locationName = '' }]) =>
      location === 'headers' ? [locationName.toLowerCase()] : [],
    );
    const known = new Map(
      refs.flatMap(([name, ref]) =>
        ref.location === 'header' ? [[(ref.locationName ?? name).toLowerCase(), ref] as const] : [],
      ),
    );
    for (const [name, value] of Object.entries(headers)) {
      const ref = known.get(name.toLowerCase());
      if (ref !== undefined) this.#text(this.#shape(ref), String(value), name, 'rfc822');
      else if (!/^x-amz-/i.test(name) || S3_HEADERS.includes(name.toLowerCase())) continue;
      else if (!prefixes.some((prefix) => name.toLowerCase().startsWith(prefix)))
        this.say(`the header ${name.toLowerCase()}`, 'is unknown');
    }
  }

  /** The body of an answer of S3. */
  #payload(shape: Shape, body: Buffer): void {
    const { members = {}, payload } = shape;
    const ref = payload === undefined ? undefined : members[payload];
    const content = ref === undefined ? shape : this.#shape(ref);
    if (content.type !== 'structure') return;
    const inBody = Object.entries(content.members ?? {}).filter(([, { location }]) => location === undefined);
    if (inBody.length === 0 || (ref !== undefined && body.length === 0)) {
      if (body.length > 0) this.say('the body', 'has bytes, expected none');
      return;
    }
    const root = parseXml(body.toString());
    // The root of this answer is its member (GetBucketLocation).
    const isBare =
      inBody.length === 1 && inBody[0]?.[0] === root.name && this.#shape(inBody[0][1]).type !== 'structure';
    if (!isBare) this.#structure(content, root, '');
    else if (root.text !== '') this.#text(this.#shape(inBody[0]?.[1] ?? { shape: '' }), root.text, root.name);
  }

  #structure({ members = {}, required = [] }: Shape, { children, attributes, text }: XmlElement, at: string): void {
    if (text.trim() !== '') this.say(at, `has the text ${JSON.stringify(text.trim())}`);
    const left = new Map<string, XmlElement[]>();
    for (const child of children) left.set(child.name, [...(left.get(child.name) ?? []), child]);
    for (const [name, ref] of Object.entries(members)) {
      if (ref.location !== undefined) continue;
      const shape = this.#shape(ref);
      const place = at === '' ? name : `${at}.${name}`;
      if (ref.xmlAttribute === true) {
        const value = attributes.get(ref.locationName ?? name);
        if (value !== undefined) this.#text(shape, value, place);
        else if (required.includes(name)) this.say(at, `has no ${name}`);
        continue;
      }
      const element = (isFlat(shape) ? shape.member?.locationName : undefined) ?? ref.locationName ?? name;
      const all = left.get(element) ?? [];
      left.delete(element);
      const [first] = all;
      if (first === undefined) {
        if (required.includes(name)) this.say(at, `has no ${name}`);
      } else if (isFlat(shape)) {
        for (const each of all) this.#xml(this.#shape(shape.member ?? ref), each, `${place}[]`);
      } else {
        if (all.length > 1) this.say(place, `is there ${all.length} times`);
        this.#xml(shape, first, place);
      }
    }
    for (const name of left.keys()) this.say(at, `has <${name}>, which is unknown`);
  }

  #xml(shape: Shape, element: XmlElement, at: string): void {
    if (shape.type === 'structure') {
      this.#structure(shape, element, at);
      return;
    }
    if (shape.type === 'list' && shape.member !== undefined) {
      const { locationName = 'member' } = shape.member;
      for (const child of element.children) {
        if (child.name !== locationName) this.say(at, `has <${child.name}>, expected <${locationName}>`);
        else this.#xml(this.#shape(shape.member), child, `${at}[]`);
      }
      if (element.text.trim() !== '') this.say(at, `has the text ${JSON.stringify(element.text.trim())}`);
      return;
    }
    if (element.children.length > 0) {
      this.say(at, `has <${element.children[0]?.name}>, expected a ${shape.type}`);
      return;
    }
    this.#text(shape, element.text, at);
  }

  #text({ type, timestampFormat, enum: words }: Shape, text: string, at: string, times = 'timestamp'): void {
    const format = FORMATS[type === 'timestamp' ? (timestampFormat === 'rfc822' ? 'rfc822' : times) : type];
    if (format !== undefined && !format[0].test(text))
      this.say(at, `is ${JSON.stringify(text)}, expected ${format[1]}`);
    if (words !== undefined && !words.includes(text)) this.say(at, `is ${JSON.stringify(text)}, which is unknown`);
  }

  #json(shape: Shape, value: unknown, at: string): void {
    const expected = JSON_TYPES[shape.type] ?? 'string';
    const found = value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
    if (found !== expected) {
      this.say(at, `is ${JSON.stringify(value)}, expected a ${shape.type}`);
      return;
    }
    if (Array.isArray(value)) {
      for (const each of value) if (shape.member !== undefined) this.#json(this.#shape(shape.member), each, `${at}[]`);
    } else if (isObject(value)) {
      const { members = {}, required = [] } = shape;
      for (const name of required) if (value[name] === undefined) this.say(at, `has no ${name}`);
      for (const [name, each] of Object.entries(value)) {
        const place = at === '' ? name : `${at}.${name}`;
        const ref = shape.type === 'map' ? shape.value : members[name];
        if (shape.type === 'map' && shape.key !== undefined) this.#text(this.#shape(shape.key), name, `${at}'s key`);
        if (ref === undefined) this.say(place, 'is unknown');
        else this.#json(this.#shape(ref), each, place);
      }
    } else if (shape.type !== 'timestamp') this.#text(shape, String(value), at);
  }
}

/** In the JSON protocols, times are seconds since 1970. */
const JSON_TYPES: Readonly<Record<string, string>> = {
  structure: 'object',
  map: 'object',
  list: 'list',
  boolean: 'boolean',
  integer: 'number',
  long: 'number',
  double: 'number',
  float: 'number',
  timestamp: 'number',
};

const isFlat = ({ type, flattened }: Shape): boolean => type === 'list' && flattened === true;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const without = (element: XmlElement, ...names: readonly string[]): XmlElement => ({
  ...element,
  children: element.children.filter(({ name }) => !names.includes(name)),
});

function jsonCode(body: Buffer, headers: Reply['headers']): string | undefined {
  const answer: unknown = JSON.parse(body.toString());
  const type = isObject(answer) && typeof answer.__type === 'string' ? answer.__type : headers['x-amzn-errortype'];
  return typeof type === 'string' ? type.replace(/^.*#/, '').replace(/:.*$/, '') : undefined;
}

/** Where each protocol's errors have their code. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  'rest-xml': ['Error', 'Code'],
  query: ['ErrorResponse', 'Error', 'Code'],
  ec2: ['Response', 'Errors', 'Error', 'Code'],
};

function xmlCode(protocol: string, body: Buffer): string | undefined {
  let at: XmlElement | undefined = { name: '', attributes: new Map(), text: '', children: [parseXml(body.toString())] };
  // SimpleDB is older than the form of errors that other services of its protocol have.
  const path = protocol === 'query' && body.includes('<Errors>') ? CODES.ec2 : CODES[protocol];
  for (const name of path ?? []) at = at?.children.find((child) => child.name === name);
  return at?.text;
}
