// Protects: the log of a running attempt is current, shows no secret and nothing of an earlier attempt, and stays small.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { logKey } from '../../src/model/keys.ts';
import type { PutResult } from '../../src/ports/object-store.ts';
import { lastLine, STDERR_KEPT, StderrLimit, StderrUploader, uploadLog } from '../../src/worker/stderr.ts';
import { forEachTest } from '../support/fixture.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { Scratch } from '../support/scratch.ts';
import { until } from '../support/until.ts';

const PUT: PutResult = { created: true, etag: 'a' };

describe("a running attempt's stderr", () => {
  const scratch = forEachTest(() => new Scratch());
  let path: string;
  let puts: string[];
  let uploader: StderrUploader | null;
  beforeEach(() => {
    path = scratch.path('err');
    puts = [];
    uploader = null;
  });
  afterEach(() => uploader?.stop());

  function startUploader(
    secrets: Readonly<Record<string, string>> = {},
    answer: () => Promise<PutResult> = () => Promise.resolve(PUT),
  ): StderrUploader {
    const store = {
      put: (_: string, body: Uint8Array | string) => {
        puts.push(Buffer.from(body).toString());
        return answer();
      },
    };
    uploader = new StderrUploader({ store, key: 'log', path, secrets, everyMs: 5 });
    return uploader;
  }

  /** Waits for this many puts of another log; by then this one has been checked about as often. */
  async function putOtherLog(times: number): Promise<void> {
    const other = scratch.path('other');
    writeFileSync(other, '');
    let count = 0;
    const put = (): Promise<PutResult> => {
      count += 1;
      appendFileSync(other, 'more\n');
      return Promise.resolve(PUT);
    };
    const clock = new StderrUploader({ store: { put }, key: 'other', path: other, secrets: {}, everyMs: 5 });
    appendFileSync(other, 'more\n');
    await until('the other log is put', () => count >= times);
    await clock.stop();
  }

  it('is put whenever it has grown, and only then', async () => {
    startUploader();
    writeFileSync(path, 'one\n');
    await until('the first put', () => puts.length === 1);
    appendFileSync(path, 'two');
    await until('the second put', () => puts.length === 2);
    await putOtherLog(5);
    expect(puts).to.deep.equal(['one\n', 'one\ntwo']);
  });

  it('does not show the log that the previous attempt left in its slot', async () => {
    writeFileSync(path, 'old\n');
    startUploader();
    await putOtherLog(5);
    expect(puts).to.deep.equal([]);
    writeFileSync(path, 'new one\n');
    await until('the put', () => puts.length === 1);
    expect(puts).to.deep.equal(['new one\n']);
  });

  it('shows no secret, nor half of one that is being written', async () => {
    startUploader({ TOKEN: 'hunter2' });
    writeFileSync(path, 'token hunter2\nagain hunt');
    await until('the first put', () => puts.length === 1);
    appendFileSync(path, 'er2\n');
    await until('the second put', () => puts.length === 2);
    expect(puts).to.deep.equal(['token ****\n', 'token ****\nagain ****\n']);
  });

  it('stops only once no put is in flight, so that the last write comes last', async () => {
    let release: (put: PutResult) => void = () => undefined;
    const running = startUploader(
      {},
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    writeFileSync(path, 'one\n');
    await until('the put', () => puts.length === 1);
    let stopped = false;
    const stopping = running.stop().then(() => {
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
    startUploader({}, () => {
      times += 1;
      return times < 3 ? Promise.reject(new Error('away')) : Promise.resolve(PUT);
    });
    writeFileSync(path, 'one\n');
    await until('the third put', () => puts.length === 3);
  });
});

describe("the last line of a command's stderr", () => {
  const scratch = forEachTest(() => new Scratch());

  it('shows no part of a multi-line secret', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY----- hunter2';
    writeFileSync(scratch.path('err'), `can not sign with\n${key}\n`);
    expect(lastLine(scratch.path('err'), { KEY: key })).to.not.include('hunter2');
  });

  it('has no control characters, so that every reader may show it', () => {
    const controls = '\x1b[2J\x1b]52;c;cm0gLXJmIC8=\x07\x9b31m\x00\x08\u202e\u2066';
    writeFileSync(scratch.path('err'), `before\na${controls}b\tc\r${controls}\n`);
    expect(lastLine(scratch.path('err'), {}))
      .to.match(/^a.*b c$/)
      .and.not.match(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  });
});

describe("an ended attempt's stderr", () => {
  const scratch = forEachTest(() => new Scratch());

  it('is read from its last two MiB only, if a process that the worker did not see went on writing', async () => {
    const text = `${'x'.repeat(3 * STDERR_KEPT)}the end\n`;
    writeFileSync(scratch.path('err'), text);
    const store = new MemoryStore();
    const task = { format: 1, job: 'claims-20261130-0600-abcde', step: 'price', task: 0, round: 0 } as const;
    await uploadLog(store, task, 'abc', scratch.path('err'), {});
    const log = await store.read(logKey(task.job, task.step, task.task, 'abc'));
    expect(Buffer.from(log ?? []).toString() === text.slice(-2 * STDERR_KEPT)).to.equal(true);
  });
});

describe("the limit of a command's stderr", () => {
  const LIMIT = 2 ** 16;
  /** Writes numbered lines until its stdin says stop, then one more. */
  const FLOOD = `process.stdin.on('data', () => { clearInterval(timer); console.error('the end'); process.exit(); });
    let n = 0; const timer = setInterval(() => { for (let i = 0; i < 500; i++) console.error(String(n++).padStart(9)); });`;
  const scratch = forEachTest(() => new Scratch());
  let path: string;
  beforeEach(() => {
    path = scratch.path('err');
    writeFileSync(path, '');
  });

  /** Checks the file while a command floods it, until it was cut `times` times by `isCut`; returns its last size. */
  async function flood(limit: StderrLimit, isCut: () => boolean): Promise<number | null> {
    const stderr = openSync(path, 'a');
    const command = spawn(process.execPath, ['-e', FLOOD], { stdio: ['pipe', 'ignore', stderr] });
    closeSync(stderr);
    const ended = once(command, 'exit');
    await until('it is cut', () => {
      limit.check();
      return isCut();
    });
    command.stdin?.write('stop');
    await ended;
    return limit.end();
  }

  it('cuts only lines at the beginning of a flood, and frees their space meanwhile', async () => {
    // Until most of a long file has no blocks, however fast the command or slow the machine is.
    const size = await flood(new StderrLimit(path, LIMIT), () => {
      const { size, blocks } = statSync(path);
      return size > 20 * LIMIT && blocks * 512 < size / 2;
    });
    const kept = readFileSync(path, 'latin1');
    expect(size)
      .to.equal(kept.length)
      .and.to.be.below(LIMIT + 100);
    const [head = '', ...lines] = kept.split('\n');
    const cut = Number(/^\[batchctl: (\d+) bytes cut here\]$/.exec(head)?.[1]);
    expect(lines.splice(-2)).to.deep.equal(['the end', '']);
    // A line has ten bytes; the first one may be torn.
    const first = Math.floor(cut / 10);
    expect(lines.slice(1).map(Number)).to.deep.equal(lines.slice(1).map((_, n) => first + 1 + n));
  });

  it('keeps the file small where space can not be freed, and counts the cut bytes', async () => {
    let cuts = 0;
    let last = 0;
    const size = await flood(new StderrLimit(path, LIMIT, () => Promise.resolve(false)), () => {
      const { size } = statSync(path);
      if (size < last) cuts += 1;
      last = size;
      return cuts >= 3;
    });
    const kept = readFileSync(path, 'latin1');
    expect(size)
      .to.equal(kept.length)
      .and.to.be.at.most(2 * LIMIT);
    // A line that the command writes meanwhile may precede the count.
    expect(Number(/^\[batchctl: (\d+) bytes cut here\]$/m.exec(kept)?.[1])).to.be.above(3 * LIMIT - kept.length);
    expect(kept.endsWith('\nthe end\n')).to.equal(true);
  });

  it('ends only once space has been freed: that would delete the kept bytes, or the next log', async () => {
    let release: (freed: boolean) => void = () => undefined;
    const freeing = new Promise<boolean>((resolve) => {
      release = resolve;
    });
    writeFileSync(path, 'x'.repeat(3 * LIMIT));
    const limit = new StderrLimit(path, LIMIT, () => freeing);
    limit.check();
    let ended = false;
    const ending = limit.end().then(() => {
      ended = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([ended, statSync(path).size]).to.deep.equal([false, 3 * LIMIT]);
    release(true);
    await ending;
    expect(statSync(path).size).to.be.within(LIMIT, LIMIT + 100);
  });

  it('leaves a log alone that is not too long', async () => {
    writeFileSync(path, 'x'.repeat(2 * LIMIT));
    const limit = new StderrLimit(path, LIMIT);
    limit.check();
    expect(await limit.end()).to.equal(2 * LIMIT);
    expect(readFileSync(path, 'latin1')).to.equal('x'.repeat(2 * LIMIT));
  });
});
