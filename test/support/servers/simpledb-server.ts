import { createHmac } from 'node:crypto';
import { type Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { SimpleDbOptions } from '../../../src/adapters/aws/simpledb-http.ts';
import { escapeXml, QueryError } from '../grid/query.ts';
import { listen } from './listen.ts';
import { type Parameters, refusal, SdbDomains } from './simpledb-domains.ts';

/** The only credentials that the server accepts. */
export const SDB_KEY = 'AKIDEXAMPLE';
export const SDB_SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

/** Milliseconds by which a request's time may be off (HMACAuth). */
const SKEW = 15 * 60_000;

/** A small SimpleDB over HTTP, with features that moto lacks: select, batches, conditions, limits, checked signatures. */
export interface SimpleDbServer {
  readonly url: string;
  readonly domains: SdbDomains;
  readonly asked: { readonly action: string; readonly parameters: Parameters }[];
  /** Answers the next requests with 503 ServiceUnavailable, which is how SimpleDB throttles (APIError). */
  throttle(requests: number): void;
  /** Does the next puts, but answers 503. */
  loseAnswers(puts: number): void;
  /** Sets the milliseconds by which its clock is ahead of this machine's. */
  setClock(ahead: number): void;
  /** Makes all tokens so far invalid. */
  expireTokens(): void;
  close(): Promise<void>;
}

export async function startSimpleDb(): Promise<SimpleDbServer> {
  const domains = new SdbDomains();
  const asked: SimpleDbServer['asked'] = [];
  const state = { throttled: 0, lost: 0, ahead: 0, tokens: 0 };
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const now = Date.now() + state.ahead;
    response.setHeader('date', new Date(now).toUTCString());
    response.setHeader('content-type', 'text/xml');
    try {
      const parameters: Parameters = new Map(new URLSearchParams(await text(request)));
      if (state.throttled > 0) {
        state.throttled -= 1;
        throw unavailable();
      }
      checkSignature(request, parameters, now);
      const action = parameters.get('Action') ?? '';
      asked.push({ action, parameters });
      const result = act(domains, action, parameters, state);
      if (action === 'PutAttributes' && state.lost > 0) {
        state.lost -= 1;
        throw unavailable();
      }
      const metadata = '<ResponseMetadata><RequestId>r</RequestId><BoxUsage>0.0000219907</BoxUsage></ResponseMetadata>';
      const xmlns = 'xmlns="http://sdb.amazonaws.com/doc/2009-04-15/"';
      response.end(`<?xml version="1.0"?>\n<${action}Response ${xmlns}>${result}${metadata}</${action}Response>`);
    } catch (error) {
      const { code, status, message } =
        error instanceof QueryError ? error : refusal('InternalError', 500, String(error));
      const one = `<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message><BoxUsage>0.00002</BoxUsage></Error>`;
      response.writeHead(status);
      response.end(`<?xml version="1.0"?>\n<Response><Errors>${one}</Errors><RequestID>r</RequestID></Response>`);
    }
  };
  return {
    ...(await listen(server)),
    domains,
    asked,
    throttle: (requests) => {
      state.throttled = requests;
    },
    loseAnswers: (puts) => {
      state.lost = puts;
    },
    setClock: (ahead) => {
      state.ahead = ahead;
    },
    expireTokens: () => {
      state.tokens += 1;
    },
  };
}

const unavailable = (): QueryError =>
  refusal('ServiceUnavailable', 503, 'Service AmazonSimpleDB is currently unavailable.');

function act(domains: SdbDomains, action: string, parameters: Parameters, state: { readonly tokens: number }): string {
  const domain = parameters.get('DomainName') ?? '';
  const token = tokenFrom(parameters.get('NextToken') ?? '', state.tokens);
  const toToken = (text: string): string => (text === '' ? '' : tag('NextToken', `${state.tokens}.${text}`));
  const write = {
    CreateDomain: () => domains.create(domain),
    DeleteDomain: () => domains.remove(domain),
    PutAttributes: () => domains.put(parameters),
    BatchPutAttributes: () => domains.putBatch(parameters),
    BatchDeleteAttributes: () => domains.deleteBatch(parameters),
  }[action];
  if (write !== undefined) {
    write();
    return '';
  }
  switch (action) {
    case 'ListDomains': {
      const { names, next } = domains.list(Number(token));
      const all = names.map((name) => tag('DomainName', name)).join('');
      return `<ListDomainsResult>${all}${toToken(next === null ? '' : String(next))}</ListDomainsResult>`;
    }
    case 'GetAttributes':
      return `<GetAttributesResult>${attributesXml(domains.get(parameters))}</GetAttributesResult>`;
    case 'Select': {
      const page = domains.select(parameters.get('SelectExpression') ?? '', token);
      const items = page.items.map(
        ({ name, attributes }) => `<Item>${tag('Name', name)}${attributesXml(attributes)}</Item>`,
      );
      return `<SelectResult>${items.join('')}${toToken(page.token)}</SelectResult>`;
    }
    default:
      throw refusal('InvalidAction', 400, `The action ${action} is not valid`);
  }
}

function tokenFrom(text: string, generation: number): string {
  if (text === '') return '';
  const [given, rest] = [text.slice(0, text.indexOf('.')), text.slice(text.indexOf('.') + 1)];
  if (given !== String(generation)) throw refusal('InvalidNextToken', 400, 'The specified next token is not valid.');
  return rest;
}

/** Checks Signature Version 2, which is computed independently of the client, from the text of the guide (HMACAuth). */
function checkSignature(request: IncomingMessage, parameters: Parameters, now: number): void {
  if (parameters.get('AWSAccessKeyId') !== SDB_KEY) throw refusal('InvalidClientTokenId', 403);
  if (parameters.get('SignatureVersion') !== '2' || parameters.get('SignatureMethod') !== 'HmacSHA256')
    throw refusal('InvalidParameterValue', 400, 'SignatureVersion');
  const time = Date.parse(parameters.get('Timestamp') ?? '');
  if (!(Math.abs(time - now) <= SKEW)) throw refusal('RequestExpired', 400, 'Request has expired.');
  const canonical = [...parameters]
    .filter(([name]) => name !== 'Signature')
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, value]) => `${percent(name)}=${percent(value)}`)
    .join('&');
  const toSign = `${request.method}\n${request.headers.host?.toLowerCase()}\n/\n${canonical}`;
  const expected = createHmac('sha256', SDB_SECRET).update(toSign, 'utf8').digest('base64');
  if (expected !== parameters.get('Signature')) throw refusal('SignatureDoesNotMatch', 403);
}

/** Percent-encodes all but the unreserved characters of RFC 3986. */
const percent = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function attributesXml(attributes: readonly (readonly [string, string])[]): string {
  return attributes
    .map(([name, value]) => `<Attribute>${tag('Name', name)}${tag('Value', value)}</Attribute>`)
    .join('');
}

/** An XML element; text with characters that XML can't contain is in base64 (InvalidCharacters). */
function tag(name: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are searched for
  if (!/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value))
    return `<${name}>${escapeXml(value).replaceAll('\r', '&#13;')}</${name}>`;
  return `<${name} encoding="base64">${Buffer.from(value).toString('base64')}</${name}>`;
}

/** Options of a client for a server on this machine. */
export function simpleDbOptions(endpoint: string, agent: Agent, more: Partial<SimpleDbOptions> = {}): SimpleDbOptions {
  return {
    region: 'eu-west-1',
    endpoint,
    profile: null,
    credentials: async () => ({ accessKeyId: SDB_KEY, secretAccessKey: SDB_SECRET }),
    agentFor: () => agent,
    ...more,
  };
}
