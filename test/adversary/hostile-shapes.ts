import { JOB_LIMITS as MOST } from '../../src/jobs/spec/job-file.ts';
import { LIMITS } from '../../src/manager/http/limits.ts';

/** JSON of about this many bytes, with at most this many values that are sent back. */
export type Shape = (bytes: number, values: number) => string;

const DEPTH = LIMITS.depth.value;

/** An item of a list by its number, as long as its filler makes it; or a text with `{n}` and `{filler}`. */
type Item = string | ((n: number, filler: string) => string);

const itemOf = (item: Item): Exclude<Item, string> =>
  typeof item === 'string' ? (n, filler) => item.replace('{n}', `${n}`).replace('{filler}', filler) : item;

/** As many of these items as fit; each is longer if the number of values is used up first. */
export function many(bytes: number, most: number, of: Item): string {
  const item = itemOf(of);
  const count = Math.min(most, Math.floor(bytes / (item(most, '').length + 1)));
  const filler = 'x'.repeat(Math.max(0, Math.floor(bytes / count) - item(count, '').length - 1));
  return Array.from({ length: count }, (_, n) => item(n, filler)).join(',');
}

export const list = (of: Item, each = 1): Shape => {
  return (bytes, values) => `[${many(bytes, Math.floor(values / each), of)}]`;
};
const map = (of: Item, each = 1): Shape => {
  return (bytes, values) => `{${many(bytes, Math.floor(values / each), of)}}`;
};
const nested = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);

/** Makes each size once: many fields get the same value. */
const kept = (shape: Shape): Shape => {
  const made = new Map<string, string>();
  return (bytes, values) => {
    const size = `${bytes} ${values}`;
    const text = made.get(size) ?? shape(bytes, values);
    made.set(size, text);
    return text;
  };
};

const SHAPES: Readonly<Record<string, Shape>> = {
  'a long text': (bytes) => `"${'x'.repeat(bytes - 2)}"`,
  'a long text of escapes': (bytes) => `"${'\\u0041'.repeat(Math.floor(bytes / 6) - 1)}"`,
  'a long text of quotes': (bytes) => `"${'\\"'.repeat(Math.floor(bytes / 2) - 1)}"`,
  'a long text of spaces': (bytes) => `"${' '.repeat(bytes - 2)}"`,
  'a long text of digits': (bytes) => `"${'9'.repeat(bytes - 2)}"`,
  'a long text of braces': (bytes) => `"${'{'.repeat(bytes - 2)}"`,
  'a long text of lines': (bytes) => `"${'\\n'.repeat(Math.floor(bytes / 2) - 1)}"`,
  'a long text of commas': (bytes) => `"${'a=1,'.repeat(Math.floor(bytes / 4) - 1)}"`,
  'a long number': (bytes) => '9'.repeat(bytes),
  'deep lists': () => nested('[', ']', DEPTH - 4),
  'lists deeper than allowed': (bytes) => nested('[', ']', Math.floor(bytes / 2)),
  'maps deeper than allowed': (bytes) =>
    `${'{"a":'.repeat(Math.floor(bytes / 6))}1${'}'.repeat(Math.floor(bytes / 6))}`,
  'many keys': map('"k{n}{filler}":1'),
  'more keys than allowed': (bytes) => `{${many(bytes, bytes, '"k{n}":1')}}`,
  'many keys, one of them suspect': (bytes, values) =>
    `{"constructor":1,"${SHAPES['many keys']?.(bytes - 20, values - 1).slice(2)}`,
  'many maps': list('{"k{n}":1}', 2),
  'many texts': list('"t{n}{filler}"'),
  'many aliases': list('"*a{n}{filler}"'),
  'many settings': list('"k{n}={filler}"'),
  'many tasks': list('"double/{n}"'),
  'many patterns': list('"data/{n}*{filler}*"'),
  'many numbers': list('1'),
  'more numbers than allowed': (bytes) => `[${many(bytes, bytes, '1')}]`,
};

/** Shapes for any field: within the bounds of values and depth, and far beyond them. */
export const ANYWHERE: Readonly<Record<string, Shape>> = Object.fromEntries(
  Object.entries(SHAPES).map(([what, shape]) => [what, kept(shape)]),
);

export const spec = (fields: string, steps = '{"name":"s","run":"x"}'): string =>
  `{"name":"a","steps":[${steps}]${fields}}`;
const inSpec = (field: string, shape: Shape): Shape => {
  return (bytes, values) => spec(`,"${field}":${shape(bytes - 100, values - 20)}`);
};
const inStep = (field: string, shape: Shape): Shape => {
  return (bytes, values) => spec('', `{"name":"s","run":"x","${field}":${shape(bytes - 100, values - 20)}}`);
};
const keys = (of: Item): Shape => map((n, filler) => `"${itemOf(of)(n, filler)}":"1"`);
const texts = (of: Item): Shape => list((n, filler) => `"${itemOf(of)(n, filler)}"`);

const steps = (values: number): number => (values > MOST.values ? values : MOST.steps);

/** Jobs, most of them with as many mistakes as fit. */
const SPECS: Readonly<Record<string, Shape>> = {
  'a job of unknown fields': (bytes, values) => spec(`,${many(bytes - 100, values - 20, '"k{n}{filler}":1')}`),
  'a job with a long unknown field': (bytes) => spec(`,"${'s'.repeat(bytes - 100)}":1`),
  'steps with unknown fields': (bytes, values) =>
    spec('', many(bytes - 100, Math.min(steps(values), Math.floor(values / 2)), '{"k{n}":1}')),
  'steps of one name': (bytes, values) =>
    spec('', many(bytes - 100, Math.min(steps(values), Math.floor(values / 3)), '{"name":"s","run":"x"}')),
  'steps that are right': (bytes, values) =>
    spec('', many(bytes - 100, Math.min(steps(values), Math.floor(values / 3)), '{"name":"s{n}","run":"{filler}x"}')),
  'many programs': inStep('run', texts('{n}{filler}')),
  'wrong variables': inStep('env', keys('{n}{filler}')),
  'many variables': inStep('env', keys('V{n}{filler}')),
  'many secrets': inStep('secrets', keys('V{n}{filler}')),
  'wrong exit codes': inStep('permanent', list('0')),
  'many exit codes': inStep('permanent', list('1')),
  'wrong parameters': inSpec('params', keys('{n}-{filler}')),
  'many parameters': inSpec('params', keys('p{n}{filler}')),
  'parameters of one name': inSpec(
    'params',
    keys((n) => [...n.toString(2).padStart(17, '0')].map((bit) => (bit === '0' ? 'a' : 'A')).join('')),
  ),
  'unknown parameters': (bytes, values) =>
    spec(
      `,"params":{${many(bytes / 2 - 100, values / 2 - 20, '"p{n}":1')}},"input":{"from":[${many(bytes / 2 - 100, values / 2 - 20, '"{q{n}}{filler}"')}]}`,
    ),
  'known parameters': (bytes, values) =>
    spec(
      `,"params":{${many(bytes / 2 - 100, values / 2 - 20, '"p{n}":1')}},"input":{"from":[${many(bytes / 2 - 100, values / 2 - 20, '"{p{n}}"')}]}`,
    ),
  'a long text of parameters': (bytes) => spec(`,"input":{"from":"${'{q}'.repeat(Math.floor(bytes / 3) - 40)}"}`),
  'many inputs': (bytes, values) =>
    spec(`,"input":{"from":[${many(bytes - 200, values - 20, '"store:{n}{filler}"')}]}`),
  'wrong inputs': (bytes, values) => spec(`,"input":{"from":[${many(bytes - 200, values - 20, '"s3:"')}]}`),
  'a grid of many names': (bytes, values) =>
    spec(`,"input":{"split":{"by":"grid","axes":{${many(bytes - 200, Math.floor(values / 2) - 20, '"a{n}":[1]')}}}}`),
  'a grid of many values': (bytes, values) =>
    spec(`,"input":{"split":{"by":"grid","axes":{"a":[${many(bytes - 200, values - 20, '"{n}{filler}"')}]}}}`),
  'many equations': inSpec('expect', texts('s.a{n} == input.records')),
  'equations of unknown steps': inSpec('expect', texts('t{n}.a == input.records')),
  'wrong equations': inSpec('expect', texts('{n} {filler}')),
  'a long equation': (bytes) => spec(`,"expect":["s.a == ${'s.a + '.repeat(Math.floor(bytes / 6) - 40)}s.a"]`),
  'a long wrong equation': (bytes) => spec(`,"expect":["${'('.repeat(bytes - 200)}"]`),
  'many labels': inSpec('labels', keys('l{n}')),
  'wrong labels': inSpec('labels', keys('-{n}{filler}')),
  'many files': inSpec('files', texts('f{n}{filler}')),
  'wrong files': inSpec('files', texts('../{n}{filler}')),
  'a long path': (bytes) => spec(`,"files":["${'a/'.repeat(Math.floor(bytes / 2) - 80)}.."]`),
  'many receivers': inSpec('notify', (bytes, values) =>
    list('{"on":["failed"],"to":"sns:{n}"}', 4)(bytes, Math.min(values, 4 * MOST.notify)),
  ),
  'wrong receivers': inSpec('notify', (bytes, values) =>
    list('{"no{n}":1}', 2)(bytes, Math.min(values, 2 * MOST.notify)),
  ),
};

/** As large as the API allows, and as a job may be: larger ones are refused before most of them is read. */
export const SPECS_OF_ALL_SIZES = Object.entries(SPECS).flatMap(([what, shape]): [string, Shape][] => [
  [what, shape],
  [`${what}, as large as allowed`, (bytes) => shape(bytes, MOST.values - 100)],
]);
