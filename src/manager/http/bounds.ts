/** Every bound that a caller can meet, each with its reason: docs/security.md has the table, and a test compares. */
export interface Bound {
  readonly what: string;
  readonly value: number;
  readonly unit: 'bytes' | 'ms' | '';
  readonly why: string;
  /** What a caller sees beyond it. */
  readonly answer: string;
}

const bound = (what: string, value: number, unit: Bound['unit'], answer: string, why: string): Bound => ({
  ...{ what, value, unit, why, answer },
});

export const BOUNDS = {
  body: bound('a JSON body', 2 ** 20, 'bytes', '413', 'a job file of a thousand steps has a tenth of it'),
  command: bound(
    "a command line's call",
    4 * 2 ** 20,
    'bytes',
    '413',
    'it brings the job, and ten thousand inputs of 400 bytes each',
  ),
  completion: bound(
    'the parts of an upload',
    4 * 2 ** 20,
    'bytes',
    '413',
    'ten thousand parts, as S3 allows, of 200 bytes each',
  ),
  head: bound('request line and headers', 16_384, 'bytes', '431', "Node's own; no call of ours has more than 4 KiB"),
  parameter: bound('a name in a path', 256, '', '414', 'a job id has at most 61 characters'),
  headTime: bound('until the headers are there', 10_000, 'ms', '408', 'who sends them byte by byte holds a connection'),
  bodyTime: bound('until a JSON body is there', 30_000, 'ms', '408', '1 MiB at 35 KB/s'),
  handshake: bound('a TLS handshake', 10_000, 'ms', 'closed', 'as for the headers'),
  values: bound('values in a JSON body', 25_000, '', '413', 'a job has at most ten thousand, and a list as many'),
  valuesOfLarge: bound(
    'values in one of the two larger bodies',
    65_000,
    '',
    '413',
    'ten thousand inputs of a command line, of six each',
  ),
  fields: bound("fields of a verb's input", 100, '', '400', 'no verb has half of them'),
  list: bound('values of a field that takes a list', 10_000, '', '400', 'more tasks than a person names'),
  depth: bound('maps and lists within each other in a JSON body', 64, '', '413', 'a job file has six'),
  idle: bound('a connection between two calls', 30_000, 'ms', 'closed', "longer than the command line's pauses"),
  connections: bound('connections', 1_000, '', 'closed', 'some 100 MB of memory with TLS'),
  connectionsOfOne: bound('connections from an address', 250, '', 'closed', 'an office behind one address has room'),
  calls: bound('calls in progress', 500, '', '503', 'each is a verb that runs'),
  callsOfOne: bound('calls in progress of a token', 100, '', '429', 'one token leaves room for others'),
  streamsOfOne: bound('of which streams', 50, '', '429', 'watch, wait, logs --follow, events'),
  rate: bound('calls of a token in 10 s', 2_000, '', '429', 'a loop without a pause leaves room for others'),
  rateOfNone: bound('calls without a token from an address in 10 s', 2_000, '', '429', 'a token counts by itself'),
  staged: bound(
    'uploads that pass through at once',
    2 ** 31,
    'bytes',
    '503',
    "a small instance's disk has room for them",
  ),
  stagedOfOne: bound('of which of a token', 2 ** 29, 'bytes', '429', 'two of the largest archives'),
  tries: bound(
    'failed tries of an address',
    5,
    '',
    '429',
    'then 1 s, twice as long each time, up to 60 s; a good token is let in all the same',
  ),
  addresses: bound('addresses whose failed tries are known', 10_000, '', 'forgotten', 'some 2 MB of memory'),
} as const satisfies Readonly<Record<string, Bound>>;

/** Over which a token's calls are counted, milliseconds. */
export const RATE_WINDOW = 10_000;
