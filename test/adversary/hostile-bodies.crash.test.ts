// Protects: no body that the API's limits allow blocks the manager's event loop.
import { openSync, readSync } from 'node:fs';
import { request } from 'node:http';
import { expect } from 'chai';
import { LIMITS } from '../../src/manager/http/limits.ts';
import { ApiServer } from '../support/manager/api-server.ts';
import { ANYWHERE, list, many, type Shape, SPECS_OF_ALL_SIZES, spec } from './hostile-shapes.ts';

/** The longest allowed turn of the loop, milliseconds of its thread's CPU time on a machine like the one below. */
const LONGEST = 100;

/**
 * CPU time of `work` on a machine with 2 idle cores at 3 GHz, milliseconds. A slower machine, or one whose other load
 * occupies the caches and the core's other thread, needs more CPU time for the same work: the limit grows in proportion
 * to `work`.
 */
const WORK_MS = 50;

const keysToParse = JSON.stringify(Object.fromEntries(Array.from({ length: 65_000 }, (_, n) => [`key-${n}`, 1])));
const work = (): unknown => JSON.parse(keysToParse);

/**
 * Measures the CPU time of the loop's thread in each turn, because other load prolongs a turn in wall time but costs
 * this thread no CPU. The kernel counts per thread, which excludes the garbage collector's helpers and libuv's pool. A
 * turn that begins within a tick is measured up to a tick too long.
 */
class LoopTurns {
  readonly #file = openSync('/proc/thread-self/schedstat', 'r');
  readonly #timer = setInterval(() => this.#look(), 2);
  #last = this.#now();
  #longest = 0;

  /** The longest turn since the last call, milliseconds. */
  longest(): number {
    this.#look();
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  /** CPU time of some work, milliseconds. */
  cost(done: () => unknown): number {
    const began = this.#now();
    done();
    return this.#now() - began;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = this.#now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }

  #now(): number {
    const bytes = Buffer.alloc(64);
    const length = readSync(this.#file, bytes, 0, bytes.length, 0);
    return Number(bytes.toString('latin1', 0, length).split(' ')[0]) / 1e6;
  }
}

const HASH = '0'.repeat(64);

describe('a hostile body', () => {
  let server: ApiServer;
  let token: string;
  let turns: LoopTurns;
  let slowest = 0;
  /** The limit on this machine. It only grows, as `slowest` does. */
  const limit = (): number => LONGEST * Math.max(1, slowest / WORK_MS);
  const found: { readonly longest: number; readonly ms: number; readonly status: number; readonly what: string }[] = [];

  before(async function () {
    if (process.platform !== 'linux') this.skip();
    server = await ApiServer.open({ dashboard: null });
    token = await server.token('operate');
    const { status, text } = await server.call('POST', '/jobs', {
      spec: JSON.parse(spec(',"input":{"split":{"by":"range","from":1,"to":2}}')),
    });
    expect(status, text).to.equal(200);
    turns = new LoopTurns();
    // Code is compiled the first time it runs.
    for (const path of ['/plans', '/jobs/last/retries'])
      for (let n = 0; n < 5; n += 1) await send('POST', `/api/v1${path}`, Buffer.from('{"spec":{"x":1}}'));
  });

  const send = (method: string, path: string, bytes: Buffer): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': bytes.length,
      };
      turns.longest();
      const sent = request(`${server.url}${path}`, { method, headers }, (answer) => {
        answer.resume().on('close', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject).end(bytes);
    });

  const measure = async (method: string, path: string, body: Buffer, what: string): Promise<void> => {
    const tries: (typeof found)[number][] = [];
    // Other load on the machine can lengthen a turn, so a turn counts as too long if it is so three times.
    do {
      const began = performance.now();
      const status = await send(method, path, body);
      const longest = turns.longest();
      // The factor of the limit is measured under the same load.
      if (longest >= LONGEST) slowest = Math.max(slowest, turns.cost(work));
      tries.push({
        longest,
        ms: performance.now() - began,
        status,
        what: `${method} ${path}: ${what}`,
      });
    } while (tries.length < 3 && tries.every(({ longest }) => longest >= limit()));
    const [best] = tries.sort((a, b) => a.longest - b.longest);
    if (best !== undefined) found.push(best);
  };

  after(async () => {
    turns?.close();
    await server?.close();
    found.sort((a, b) => b.longest - a.longest);
    const lines = found.map(({ longest, ms, status, what }) =>
      [longest.toFixed(0).padStart(6), ms.toFixed(0).padStart(6), ` ${status}  ${what}`].join(' '),
    );
    console.log(`    ${found.length} bodies; work of ${WORK_MS} ms took up to ${slowest.toFixed(0)} ms here`);
    console.log(`    the longest turns, ms of CPU time; ms until the answer; status\n${lines.slice(0, 20).join('\n')}`);
  });

  for (const [routes, isMeant] of [
    ['of a plan', (path) => path.endsWith('/plans')],
    ['of a command line', (path) => path.endsWith('/verbs')],
    ['of any other route', (path) => !/\/(plans|verbs)$/.test(path)],
  ] as const satisfies readonly (readonly [string, (path: string) => boolean])[]) {
    it(`${routes} blocks the loop for less than 100 ms, whatever its shape`, async function () {
      this.timeout(900_000);
      const before = found.length;
      slowest = Math.max(slowest, turns.cost(work));
      for (const [template, operations] of Object.entries(server.document.paths)) {
        const path = template.replace(/\{\w+\}/, 'last');
        for (const method of isMeant(path) ? ['post', 'put', 'patch', 'delete'] : []) {
          if (operations[method] === undefined) continue;
          for (const [what, text] of bodiesFor(operations[method], limitOf(path), path)) {
            const body = Buffer.from(text);
            expect(body.length, what).to.be.at.most(limitOf(path));
            await measure(method.toUpperCase(), path, body, what);
          }
        }
      }
      slowest = Math.max(slowest, turns.cost(work));
      const measured = found.slice(before);
      expect(measured).to.have.length.above(20);
      expect(measured.filter(({ status }) => status >= 500)).to.deep.equal([]);
      expect(measured.filter(({ longest }) => longest >= limit())).to.deep.equal([]);
    });
  }
});

const LARGER = { '/api/v1/verbs': LIMITS.command, '/api/v1/uploads/completions': LIMITS.completion };

const limitOf = (path: string): number => (LARGER[path as keyof typeof LARGER] ?? LIMITS.body).value;

/**
 * All shapes for the route that accepts the most fields, and for each field of other routes the shapes that its check
 * may be slow for.
 */
function* bodiesFor(operation: unknown, limit: number, path: string): Generator<readonly [string, string]> {
  const room = limit - 600;
  const values = (limit > LIMITS.body.value ? LIMITS.valuesInLargeBody : LIMITS.values).value - 100;
  if (path.endsWith('/verbs')) yield* callsFor(room, values);
  const takesMost = path.endsWith('/plans');
  for (const [what, shape] of takesMost ? SPECS_OF_ALL_SIZES : []) {
    yield [`spec: ${what}`, `{"spec":${shape(room, values)}}`];
  }
  for (const [what, shape] of Object.entries(ANYWHERE)) {
    if (!takesMost && !OF_EVERY_ROUTE.includes(what)) continue;
    const value = shape(room, values);
    yield [what, value];
    for (const field of fieldsOf(operation, path)) yield [`${field}: ${what}`, within(path, field, value)];
  }
}

/** Fields that a command line adds: local inputs that it put, a plan that it cut, a job file, texts. */
function* callsFor(room: number, values: number): Generator<readonly [string, string]> {
  const command = (name: string, attached: string, input = ''): string =>
    `{"name":"${name}","input":{"jobfile":"job.json"${input}},"yes":true,"attachments":{"jobFile":{"path":"job.json","spec":${ofFiles},"code":null},"inputs":[]${attached}}}`;
  const ofFiles = spec(',"input":{"from":"in/","split":{"by":"file"}}');
  const inputs = (of: string, rest = ''): Shape =>
    list(
      (n, filler) =>
        `{"asked":"${of === '' ? `f${n}` : of}","name":"f${n}","key":"data/${filler.slice(0, 1_000)}","checksum":"sha256:${HASH}","size":1${rest}}`,
      6,
    );
  const cut = (planned: string): string =>
    `,"planned":{"files":[],"cut":{"parts":1,"records":null,"pieces":0,"sizes":{"bins":[],"largest":{"n":0,"size":1}},"inputs":${planned}}}`;
  const planned = list(
    (n, filler) =>
      `{"name":"f${n}","size":1,"checksum":"sha256:${HASH}","records":null,"compression":null,"source":{"kind":"pipe","f":"${filler.slice(0, 1_000)}"}}`,
    8,
  );
  for (const name of ['plan', 'submit']) {
    yield [`${name}, inputs of a directory`, command(name, `,"inputs":${inputs('in/')(room, values)}`)];
    yield [`${name}, inputs of another`, command(name, `,"inputs":${inputs('else')(room, values)}`)];
    yield [
      `${name}, inputs by their names`,
      command(
        name,
        `,"inputs":${inputs('')(room / 2, values / 2)}`,
        `,"input":[${many(room / 2, LIMITS.list.value, (n) => `"f${n}"`)}]`,
      ),
    ];
    yield [`${name}, wrong inputs`, command(name, `,"inputs":${list(() => '{"asked":1}', 2)(room, values)}`)];
    for (const [what, shape] of Object.entries(ANYWHERE))
      yield [`${name}, texts: ${what}`, command(name, `,"texts":{"a":${shape(room, values)}}`)];
  }
  yield ['plan, cut inputs', command('plan', cut(planned(room, values)))];
  yield ['plan, wrong cut inputs', command('plan', cut(list(() => '{}', 1)(room, values)))];
  yield [
    'plan, its files',
    command(
      'plan',
      `,"planned":{"cut":null,"files":${list((n, filler) => `"f${n}${filler.slice(0, 4_000)}"`)(room, values)}}`,
    ),
  ];
  for (const [what, shape] of SPECS_OF_ALL_SIZES)
    yield [`spec: ${what}`, command('plan', '').replace(ofFiles, () => shape(room, values))];
}

const OF_EVERY_ROUTE = ['a long text', 'many keys', 'many keys, one of them suspect', 'many texts', 'many tasks'];

/** A body with all fields that its route requires, and one hostile field. */
function within(path: string, field: string, value: string): string {
  if (path.endsWith('/uploads')) return `{"key":"data/a","size":1,"sha256":"${HASH}","${field}":${value}}`;
  if (path.includes('/uploads/')) return `{"key":"data/a","upload":"u","size":1,"parts":[],"${field}":${value}}`;
  if (path.endsWith('/schedules')) return `{"spec":${spec('')},"name":"n","cron":"0 3 * * *","${field}":${value}}`;
  return /\/(jobs|plans)$/.test(path) && field !== 'spec'
    ? `{"spec":${spec('')},"${field}":${value}}`
    : `{"${field}":${value}}`;
}

function fieldsOf(operation: unknown, path: string): readonly string[] {
  if (path.endsWith('/plans')) return ['spec', 'input', 'set', 'finishBy', 'dryRun'];
  if (path.endsWith('/uploads')) return ['key', 'sha256', 'size'];
  if (path.includes('/uploads/')) return ['key', 'upload', 'parts'];
  const { requestBody } = operation as {
    requestBody?: { content: Record<string, { schema: { properties?: object } }> };
  };
  return Object.keys(requestBody?.content['application/json']?.schema.properties ?? {});
}
