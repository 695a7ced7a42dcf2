import { BatchctlError } from '../../errors.ts';
import { canonicalZone } from '../../lib/instant.ts';
import { describeFound } from '../../lib/problems.ts';
import type { Attachments } from '../../ports/verbs.ts';
import { fileFields } from '../../verbs/verb.ts';
import type { OfferedVerb } from '../../verbs/verb-runner.ts';
import { LIMITS } from './limits.ts';

export interface ApiCall {
  readonly input: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  readonly tz: string | null;
  readonly attachments: Attachments | null;
}

export interface ApiRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** The file name by which the verb knows a job sent in a body. */
const SENT_JOB_PATH = 'job.json';

/**
 * A verb's input from path, query (GET, DELETE) and JSON body (the others). Throws `usage` for an unknown field, a
 * field in the wrong place, or a value of the wrong type.
 */
export function parseApiCall(verb: OfferedVerb, method: string, { params, query, body }: ApiRequest): ApiCall {
  const inQuery = method === 'GET' || method === 'DELETE';
  const given = inQuery ? typedQuery(verb, query) : bodyFields(body);
  if (!inQuery) refuseFields(query, () => true, 'must be in the body, as this method accepts none in the query');
  if (inQuery) refuseBody(body);
  refuseFields(given, (name) => Object.hasOwn(params, name), 'is already in the path');
  const { dryRun, tz, spec, code, ...rest } = given;
  const known = apiFields(verb, method);
  refuseFields(given, (name) => !known.has(name), 'is unknown');
  const jobFile = jobFileField(verb);
  const texts = attachedLines(verb, rest);
  const attachments = withTexts(attachedJob(jobFile, spec, code), texts);
  const named = attachments === null || jobFile === null ? {} : { [jobFile]: SENT_JOB_PATH };
  return {
    input: { ...rest, ...Object.fromEntries(Object.keys(texts).map((name) => [name, name])), ...named, ...params },
    dryRun: dryRun !== undefined && requireFlag('dryRun', dryRun),
    tz: tz === undefined || tz === null ? null : requireZone(tz),
    attachments,
  };
}

/** The field that names a job file, which the API takes as `spec` and `code`; null: none. */
export function jobFileField({ declared }: OfferedVerb): string | null {
  const [found = null] = [...fileFields(declared)].filter(([, kind]) => kind !== 'text');
  return found === null ? null : found[0];
}

/** The names that a call may use, besides those in its path. */
export function apiFields(verb: OfferedVerb, method: string): ReadonlySet<string> {
  const jobFile = jobFileField(verb);
  const own = Object.keys(verb.input.properties).filter((name) => name !== jobFile);
  return new Set([
    ...own,
    'tz',
    ...(method === 'GET' ? [] : ['dryRun']),
    ...(jobFile === null ? [] : ['spec', 'code']),
  ]);
}

/** A query's texts as the verb's fields have them: lists may have one member, true and false are words. */
function typedQuery({ input }: OfferedVerb, query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const properties: OfferedVerb['input']['properties'] = { ...input.properties, dryRun: { type: 'boolean' } };
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const type = Object.hasOwn(properties, name) ? properties[name]?.type : undefined;
      if (type === 'boolean') return [name, value === 'true' || (value === 'false' ? false : value)];
      if (Array.isArray(value) && type !== 'array')
        throw new BatchctlError('usage', `${name}: expected once, found ${value.length} times`);
      return [name, value];
    }),
  );
}

function bodyFields(body: unknown): Record<string, unknown> {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body))
    throw new BatchctlError('usage', 'expected a JSON object as the body');
  requireBoundedInput(body as Record<string, unknown>);
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/** Throws `usage` for an input of more fields, or longer lists, than any verb can be meant to take. */
export function requireBoundedInput(input: Readonly<Record<string, unknown>>): void {
  const { fields, list } = LIMITS;
  const names = Object.keys(input);
  if (names.length > fields.value)
    throw new BatchctlError('usage', `expected at most ${fields.value} fields, found ${names.length}`);
  for (const name of names) {
    const value = input[name];
    if (Array.isArray(value) && value.length > list.value)
      throw new BatchctlError('usage', `${name}: expected at most ${list.value} values, found ${value.length}`);
  }
}

function refuseBody(body: unknown): void {
  if (body === undefined || body === null) return;
  throw new BatchctlError('usage', 'expected no body for this method; put fields into the query');
}

function refuseFields(given: Readonly<Record<string, unknown>>, isWrong: (name: string) => boolean, why: string): void {
  const name = Object.keys(given).find(isWrong);
  if (name !== undefined) throw new BatchctlError('usage', `the field ${JSON.stringify(name.slice(0, 100))} ${why}`);
}

const A_JOB = 'the job: an object like a job file in JSON, or the text of a job file';

function attachedJob(jobFile: string | null, spec: unknown, code: unknown): Attachments | null {
  if (spec === undefined) {
    if (code !== undefined) throw new BatchctlError('usage', 'code: expected with a spec, found without');
    if (jobFile === 'jobfile') {
      throw new BatchctlError('usage', `spec: expected ${A_JOB}, found none`);
    }
    return null;
  }
  if (typeof spec !== 'string' && (typeof spec !== 'object' || Array.isArray(spec))) {
    throw new BatchctlError('usage', `spec: expected ${A_JOB}, found ${describeFound(spec)}`);
  }
  if (code !== undefined && (typeof code !== 'string' || !/^[0-9a-f]{64}$/.test(code))) {
    throw new BatchctlError(
      'usage',
      'code: expected the SHA-256 of an archive that was stored as code/<sha256>.tar.gz',
    );
  }
  return { jobFile: { path: SENT_JOB_PATH, spec, code: code ?? null }, inputs: [] };
}

/** The content of small text files, sent as lists of lines, by field name. */
function attachedLines(
  { declared }: OfferedVerb,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  const sent = [...fileFields(declared)].flatMap(([name, kind]) =>
    kind === 'text' && given[name] !== undefined ? [name] : [],
  );
  return Object.fromEntries(
    sent.map((name) => {
      const value = given[name];
      if (Array.isArray(value) && value.every((line) => typeof line === 'string' && !/[\n\r]/.test(line)))
        return [name, value.join('\n')];
      throw new BatchctlError('usage', `${name}: expected a list of lines, found ${describeFound(value)}`);
    }),
  );
}

function withTexts(attachments: Attachments | null, texts: Readonly<Record<string, string>>): Attachments | null {
  if (Object.keys(texts).length === 0) return attachments;
  return { jobFile: null, inputs: [], ...attachments, texts };
}

function requireFlag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new BatchctlError('usage', `${name}: expected true or false, found ${describeFound(value)}`);
}

function requireZone(value: unknown): string {
  const zone = typeof value === 'string' ? canonicalZone(value) : null;
  if (zone !== null) return zone;
  throw new BatchctlError('usage', `tz: expected the name of a time zone, found ${describeFound(value)}`, {
    hint: 'use a name like UTC or Europe/London',
  });
}
