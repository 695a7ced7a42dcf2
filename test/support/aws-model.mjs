// AWS's own descriptions of its services' requests, as botocore (python3-botocore, which moto needs) ships them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const DATA = '/usr/lib/python3/dist-packages/botocore/data';

/** What AWS has added since Debian's botocore, by the operations' own pages in the API's reference. Each has a shape of its name. */
const LATER = { s3: { CopyObject: ['IfNoneMatch'] } };

/** Where botocore calls a service otherwise than it calls itself. */
const DIRECTORIES = { servicequotas: 'service-quotas', monitoring: 'cloudwatch' };

/** Whether they are on this machine. */
export const hasModels = () => existsSync(DATA);

/** What the model of a service says of its requests: `s3`, `autoscaling`. */
export function readModel(service) {
  const { operations, shapes } = readService(service);
  const inputs = Object.entries(operations).map(([name, { input }]) => [name, input?.shape ?? null]);
  const model = { service, inputs: Object.fromEntries(inputs), shapes: reachable(inputs, shapes) };
  for (const [operation, names] of Object.entries(LATER[service] ?? {}))
    for (const name of names) model.shapes[model.inputs[operation]].members[name] = name;
  return model;
}

function readService(service) {
  const directory = join(DATA, DIRECTORIES[service] ?? service);
  const versions = readdirSync(directory).sort();
  const file = join(directory, versions[versions.length - 1] ?? '', 'service-2.json');
  return JSON.parse(existsSync(file) ? readFileSync(file) : gunzipSync(readFileSync(`${file}.gz`)));
}

/** What the model of a service says of its answers, with the names of its members on the wire: `s3`, `autoscaling`. */
export function readAnswers(service) {
  const { metadata, operations, shapes } = readService(service);
  return { protocol: metadata.protocol, operations, shapes };
}

/** A tenth of the whole: what answers consist of, and the documentation, is left out. */
function reachable(inputs, shapes) {
  const found = {};
  const add = (name) => {
    if (name in found) return;
    const { type, required, members, member, key, value, min, max, pattern, enum: words } = shapes[name];
    const names = members && Object.fromEntries(Object.entries(members).map(([field, { shape }]) => [field, shape]));
    const parts = { member: member?.shape, key: key?.shape, value: value?.shape };
    found[name] = { type, required, members: names, ...parts, min, max, pattern, enum: words };
    for (const each of [...Object.values(names ?? {}), ...Object.values(parts)]) if (each !== undefined) add(each);
  };
  for (const [, shape] of inputs) if (shape !== null) add(shape);
  return found;
}

/** How the input of an operation, named as the SDK names its fields, departs from the model: none, if AWS can take it. */
export function departures({ inputs, shapes }, operation, input) {
  if (!(operation in inputs)) return [`there is no ${operation}`];
  const found = [];
  const look = (name, value, at) => {
    const shape = shapes[name];
    const say = (what) => found.push(`${at || 'the request'} ${what}`);
    LOOKS[shape.type]?.({ shape, value, say, at, look });
  };
  if (inputs[operation] !== null) look(inputs[operation], input, '');
  return found;
}

const short = (value) => JSON.stringify(value)?.slice(0, 80);

function within({ min = 0, max = Number.POSITIVE_INFINITY }, size, what, say) {
  if (size < min || size > max) say(`has ${size} ${what}, expected ${min} to ${max}`);
}

/** Numbers that AWS's model calls integers, and the SDK text: an answer's is sent back as it is. */
const TEXT_NUMBERS = ['PartNumberMarker'];

function whole({ shape, value, say, at }) {
  if (TEXT_NUMBERS.includes(at) && /^\d+$/.test(value)) return;
  if (!Number.isInteger(value)) return say(`is ${short(value)}, expected an integer`);
  if (value < (shape.min ?? value) || value > (shape.max ?? value)) {
    say(`is ${value}, expected ${shape.min ?? 'any'} to ${shape.max ?? 'any'}`);
  }
}

const LOOKS = {
  structure({ shape, value, say, at, look }) {
    if (typeof value !== 'object' || value === null) return say(`is ${short(value)}, expected fields`);
    for (const name of shape.required ?? []) if (value[name] === undefined) say(`has no ${name}`);
    for (const [name, field] of Object.entries(value)) {
      if (field === undefined) continue;
      const member = shape.members[name];
      if (member === undefined) say(`has a field ${name} that AWS doesn't know`);
      else look(member, field, at === '' ? name : `${at}.${name}`);
    }
  },
  list({ shape, value, say, at, look }) {
    if (!Array.isArray(value)) return say(`is ${short(value)}, expected a list`);
    within(shape, value.length, 'elements', say);
    for (const [number, each] of value.entries()) look(shape.member, each, `${at}[${number}]`);
  },
  map({ shape, value, say, at, look }) {
    const entries = Object.entries(value);
    within(shape, entries.length, 'entries', say);
    for (const [name, each] of entries) {
      look(shape.key, name, `${at}'s key`);
      look(shape.value, each, `${at}.${name}`);
    }
  },
  string({ shape, value, say }) {
    if (typeof value !== 'string') return say(`is ${short(value)}, expected text`);
    within(shape, [...value].length, 'characters', say);
    if (shape.enum !== undefined && !shape.enum.includes(value)) say(`is ${short(value)}, which AWS doesn't know`);
    if (shape.pattern !== undefined && !patternOf(shape.pattern).test(value)) {
      say(`is ${short(value)}, expected ${shape.pattern}`);
    }
  },
  integer: whole,
  long: whole,
  boolean({ value, say }) {
    if (typeof value !== 'boolean') say(`is ${short(value)}, expected a boolean`);
  },
  timestamp({ value, say }) {
    if (!(value instanceof Date)) say(`is ${short(value)}, expected a time`);
  },
  blob({ shape, value, say }) {
    // Streams are as long as they say elsewhere.
    if (value instanceof Uint8Array) within(shape, value.length, 'bytes', say);
  },
};

const patterns = new Map();

/** The whole text must match. `u`, for letters of all scripts, is stricter about escapes than the models are. */
function patternOf(source) {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  let made;
  try {
    made = new RegExp(`^(?:${source})$`, 'u');
  } catch {
    made = new RegExp(`^(?:${source})$`);
  }
  patterns.set(source, made);
  return made;
}

/**
 * The names that a service has for members, on the wire and in its model, and for operations' answers, in lower case: EC2
 * capitalizes them in requests, not in answers.
 */
export function readModelNames(service) {
  const { operations, shapes } = readService(service);
  const members = Object.values(shapes).flatMap(({ members = {}, member }) => [
    ...Object.entries(members).flatMap(([name, { locationName, queryName }]) => [name, locationName, queryName]),
    member?.locationName,
  ]);
  const answers = Object.keys(operations).flatMap((name) => [name, `${name}Response`, `${name}Result`]);
  const names = [...members, ...answers, 'requestId'].filter((name) => name !== undefined);
  return new Set(names.map((name) => name.toLowerCase()));
}
