// Protects: a command line that calls a verb through a manager gets its events, rows and answer, at its own pace.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { expect } from 'chai';
import type { ValueFrame } from '../../../src/model/api.ts';
import type { VerbCall } from '../../../src/verbs/remote-caller.ts';
import type { VerbResponse } from '../../../src/verbs/verb-runner.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';
import { rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';

const DONE: VerbResponse = { answer: undefined, exitCode: 0, error: null };
const UNAVAILABLE: VerbResponse = {
  answer: undefined,
  exitCode: 8,
  error: { kind: 'unavailable', message: 'the store is away', hint: null },
};
const LONG_ROW = { text: 'a'.repeat(64 * 1024) };

describe("a command line's verbs, as frames", () => {
  /** Runs the verb `workers`. */
  let runWorkers: (call: VerbCall) => Promise<VerbResponse>;
  const server = forEachTest(() => {
    runWorkers = async () => DONE;
    return ApiServer.open({
      aliveMs: 20,
      runVerb: (call, real) => (call.name === 'workers' ? runWorkers(call) : real.call(call)),
    });
  });

  const framesOf = (text: string): readonly ValueFrame[] =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const frame = JSON.parse(line) as ValueFrame;
        server.document.validate('components/schemas/ValueFrame', frame);
        return frame;
      });

  it('contain the rows of the verb, and how it ended', async () => {
    const answer = await server.command('status', { job: 'nope' });
    expect(answer.headers.get('content-type')).to.equal('application/x-ndjson');
    // A proxy that buffered them would delay them.
    expect(answer.headers.get('x-accel-buffering')).to.equal('no');
    const frames = framesOf(await answer.text());
    expect(frames.at(-1)).to.deep.include({ exit: 4 });
    expect(frames.at(-1)).to.have.nested.property('error.kind', 'notFound');
    const listed = framesOf(await (await server.command('doctor', {})).text());
    expect(listed.filter((frame) => 'row' in frame).length).to.be.greaterThan(5);
    expect(listed.at(-1)).to.deep.equal({ exit: 0, error: null });
  });

  it('need the scope of the verb that they name', async () => {
    expect((await server.command('status', {}, { scope: 'read' })).status).to.equal(200);
    expect((await server.command('cancel', { job: 'last' }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('scale', {}, { scope: 'read' })).status).to.equal(200);
    expect((await server.command('scale', { n: 3 }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('scale', { auto: true }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('verify', { repair: true }, { scope: 'submit' })).status).to.equal(403);
  });

  it('of a dry run change nothing: run only answers the status', async () => {
    const spec = rangeJob('numbers', 2, { name: 'one', run: 'cat' });
    const { job } = (await server.call('POST', '/jobs', { spec })).json;
    const dryRun = async (): Promise<readonly ValueFrame[]> => {
      const body = JSON.stringify({ name: 'run', input: { job, created: true }, dryRun: true });
      const headers = { 'content-type': 'application/json' };
      return framesOf(await (await server.fetch('POST', '/api/v1/verbs', { body, headers })).text());
    };
    // Without a worker it would wait for ever.
    expect(await dryRun()).to.deep.include({ exit: 6, error: null });
    expect((await server.workspace.work()).code).to.equal(0);
    const keys = async (): Promise<readonly string[]> => collect(server.platform.store.keys(''));
    const before = await keys();
    const frames = await dryRun();
    expect(frames.find((frame) => 'answer' in frame)).to.have.nested.property('answer.state', 'succeeded');
    // No proof was stored.
    expect(await keys()).to.deep.equal(before);
  });

  it('say from time to time that the verb is still running', async () => {
    let end = (): void => {};
    runWorkers = () =>
      new Promise((resolve) => {
        end = () => resolve(DONE);
      });
    const answer = await server.command('workers', {});
    const reader = answer.body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    expect(new TextDecoder().decode(value)).to.match(/^\{"alive":true\}\n/);
    end();
    await reader?.cancel();
  });

  it('stop the verb when the caller leaves', async () => {
    let [started, stopped] = [0, 0];
    runWorkers = ({ signal }) => {
      started += 1;
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          stopped += 1;
          const error = { kind: 'interrupted', message: 'interrupted', hint: null };
          resolve({ answer: undefined, exitCode: 130, error });
        });
      });
    };
    for (const [index, send] of [
      (signal: AbortSignal) => server.command('workers', {}, { signal }),
      (signal: AbortSignal) => server.fetch('GET', '/api/v1/workers', { signal }),
    ].entries()) {
      const leave = new AbortController();
      send(leave.signal).catch(() => {});
      await until('the verb runs', () => started === index + 1);
      expect(stopped).to.equal(index);
      leave.abort();
      await until('the verb is stopped', () => stopped === index + 1);
    }
    expect(server.hidden).to.deep.equal([]);
  });

  for (const how of ['command', 'json'] as const) {
    it(`make the verb wait for a slow reader of a ${how} instead of keeping its text in memory`, async () => {
      let written = 0;
      runWorkers = async ({ row, signal }) => {
        while (!signal.aborted && written < 400) {
          await row(LONG_ROW);
          written += 1;
        }
        return DONE;
      };
      const answer = await callUnread(how);
      // The verb waits before all 25 MB are written, because the caller does not read.
      let [before, unchanged] = [-1, 0];
      await until('the verb waits', () => {
        unchanged = written === before ? unchanged + 1 : 0;
        before = written;
        return unchanged > 50;
      });
      expect(written).to.be.lessThan(400);
      const text = await readText(answer);
      expect(written).to.equal(400);
      const items = how === 'json' ? (JSON.parse(text) as { items: unknown[] }).items : framesOf(text);
      expect(items.length).to.be.at.least(400);
    });
  }

  it('break off if a verb fails after much of its list was sent', async () => {
    for (const end of [
      async () => UNAVAILABLE,
      async () => {
        throw new Error('a verb never throws');
      },
    ]) {
      runWorkers = async ({ row }) => {
        for (let n = 0; n < 50; n += 1) await row(LONG_ROW);
        return end();
      };
      const answer = await server.fetch('GET', '/api/v1/workers');
      expect(answer.status).to.equal(200);
      await rejection(answer.text());
    }
    expect(server.hidden.map(String)).to.deep.equal(['Error: a verb never throws']);
    runWorkers = async ({ row }) => {
      await row({});
      return UNAVAILABLE;
    };
    expect((await server.call('GET', '/workers')).error).to.include({ kind: 'unavailable' });
  });

  /** Calls `workers` without reading the answer. */
  async function callUnread(how: 'command' | 'json'): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${await server.token('operate')}`, 'content-type': 'application/json' };
    const sent =
      how === 'command'
        ? request(`${server.url}/api/v1/verbs`, { method: 'POST', headers })
        : request(`${server.url}/api/v1/workers`, { headers: { authorization: headers.authorization } });
    sent.end(how === 'command' ? JSON.stringify({ name: 'workers', input: {} }) : undefined);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return answer.pause();
  }
});
