// Protects: the log of a running attempt is current, and shows no secret and nothing of an earlier attempt.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PutResult } from '../../src/ports/object-store.ts';
import { StderrTail } from '../../src/worker/stderr.ts';
import { until } from '../support/until.ts';

const PUT: PutResult = { created: true, etag: 'a' };

describe("a running attempt's stderr", () => {
  let directory: string;
  let path: string;
  let puts: string[];
  let tail: StderrTail | null;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'batchctl-tail-'));
    path = join(directory, 'err');
    [puts, tail] = [[], null];
  });
  afterEach(async () => {
    await tail?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function begin(
    secrets: Readonly<Record<string, string>> = {},
    answer: () => Promise<PutResult> = () => Promise.resolve(PUT),
  ): StderrTail {
    const store = {
      put: (_: string, body: Uint8Array | string) => {
        puts.push(Buffer.from(body).toString());
        return answer();
      },
    };
    tail = new StderrTail({ store, key: 'log', path, secrets, everyMs: 5 });
    return tail;
  }

  /** Waits for this many puts of another log, after which this one has been checked about as often. */
  async function anotherPuts(times: number): Promise<void> {
    const other = join(directory, 'other');
    writeFileSync(other, '');
    let count = 0;
    const put = (): Promise<PutResult> => {
      count += 1;
      appendFileSync(other, 'more\n');
      return Promise.resolve(PUT);
    };
    const clock = new StderrTail({ store: { put }, key: 'other', path: other, secrets: {}, everyMs: 5 });
    appendFileSync(other, 'more\n');
    await until('the other one', () => count >= times);
    await clock.stop();
  }

  it('is put whenever it has grown, and only then', async () => {
    begin();
    writeFileSync(path, 'one\n');
    await until('the first put', () => puts.length === 1);
    appendFileSync(path, 'two');
    await until('the second put', () => puts.length === 2);
    await anotherPuts(5);
    expect(puts).to.deep.equal(['one\n', 'one\ntwo']);
  });

  it('does not show what the previous attempt left in its slot', async () => {
    writeFileSync(path, 'old\n');
    begin();
    await anotherPuts(5);
    expect(puts).to.deep.equal([]);
    writeFileSync(path, 'new one\n');
    await until('the put', () => puts.length === 1);
    expect(puts).to.deep.equal(['new one\n']);
  });

  it('shows no secret, nor half of one that is being written', async () => {
    begin({ TOKEN: 'hunter2' });
    writeFileSync(path, 'token hunter2\nagain hunt');
    await until('the first put', () => puts.length === 1);
    appendFileSync(path, 'er2\n');
    await until('the second put', () => puts.length === 2);
    expect(puts).to.deep.equal(['token ****\n', 'token ****\nagain ****\n']);
  });

  it('ends once no put is in flight any more, so that the last write comes last', async () => {
    let release: (put: PutResult) => void = () => undefined;
    const begun = begin(
      {},
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    writeFileSync(path, 'one\n');
    await until('the put', () => puts.length === 1);
    let stopped = false;
    const stopping = begun.stop().then(() => {
      stopped = true;
    });
    appendFileSync(path, 'two\n');
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).to.equal(false);
    release(PUT);
    await stopping;
    expect(puts).to.deep.equal(['one\n']);
  });

  it('is put again after an error of the store', async () => {
    let times = 0;
    begin({}, () => {
      times += 1;
      return times < 3 ? Promise.reject(new Error('away')) : Promise.resolve(PUT);
    });
    writeFileSync(path, 'one\n');
    await until('the third put', () => puts.length === 3);
  });
});
