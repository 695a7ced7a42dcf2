// Protects: a command line that calls a verb through a manager gets its events, rows and answer, at its own pace.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect } from 'chai';
import type { ValueFrame } from '../../../src/model/api.ts';
import type { VerbCall, VerbResponse } from '../../../src/ports/verbs.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { until } from '../../support/until.ts';

const DONE: VerbResponse = { answer: undefined, exitCode: 0, error: null };
const AWAY: VerbResponse = {
  ...{ answer: undefined, exitCode: 8 },
  error: { kind: 'unavailable', message: 'the store is away', hint: null },
};

describe("a command line's verbs, as frames", () => {
  let server: ApiServer;
  let act: (call: VerbCall) => Promise<VerbResponse>;

  const open = async (aliveMs?: number): Promise<void> => {
    act = async () => DONE;
    server = await ApiServer.open({
      dashboard: null,
      ...(aliveMs !== undefined && { aliveMs }),
      verbs: (real) => ({
        ...real,
        call: (call) => (call.name === 'workers' ? act(call) : real.call(call)),
      }),
    });
  };
  afterEach(() => server.close());

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
    await open();
    const answer = await server.command('status', { job: 'nope' });
    expect(answer.headers.get('content-type')).to.equal('application/x-ndjson');
    // If a proxy buffered them, they would look like silence.
    expect(answer.headers.get('x-accel-buffering')).to.equal('no');
    const frames = framesOf(await answer.text());
    expect(frames.at(-1)).to.deep.include({ exit: 4 });
    expect(frames.at(-1)).to.have.nested.property('error.kind', 'notFound');
    const listed = framesOf(await (await server.command('doctor', {})).text());
    expect(listed.filter((frame) => 'row' in frame).length).to.be.greaterThan(5);
    expect(listed.at(-1)).to.deep.equal({ exit: 0, error: null });
  });

  it('need the scope of the verb that they name', async () => {
    await open();
    expect((await server.command('status', {}, { scope: 'read' })).status).to.equal(200);
    expect((await server.command('cancel', { job: 'last' }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('scale', {}, { scope: 'read' })).status).to.equal(200);
    expect((await server.command('scale', { n: 3 }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('scale', { auto: true }, { scope: 'submit' })).status).to.equal(403);
    expect((await server.command('verify', { repair: true }, { scope: 'submit' })).status).to.equal(403);
  });

  it('say from time to time that the verb is still running', async () => {
    await open(20);
    let end = (): void => {};
    act = () =>
      new Promise((resolve) => {
        end = () => resolve(DONE);
      });
    const answer = await server.command('workers', {});
    const reader = answer.body?.getReader();
    const seen = await reader?.read();
    expect(
      JSON.parse(
        Buffer.from(seen?.value ?? [])
          .toString()
          .split('\n')[0] ?? '',
      ),
    ).to.deep.equal({ alive: true });
    end();
    await reader?.cancel();
  });

  it('stop the verb when the caller leaves', async () => {
    await open();
    let [began, stopped] = [0, 0];
    act = ({ signal }) => {
      began += 1;
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          stopped += 1;
          const error = { kind: 'interrupted', message: 'interrupted', hint: null };
          resolve({ answer: undefined, exitCode: 130, error });
        });
      });
    };
    for (const [times, ask] of [askedCommand, askedJson].entries()) {
      const leave = new AbortController();
      ask(leave.signal).catch(() => {});
      await until('the verb runs', () => began === times + 1);
      expect(stopped).to.equal(times);
      leave.abort();
      await until('the verb is told', () => stopped === times + 1);
    }
    expect(server.hidden).to.deep.equal([]);
  });

  const askedCommand = (signal: AbortSignal): Promise<unknown> => server.command('workers', {}, { signal });
  const askedJson = (signal: AbortSignal): Promise<unknown> => server.fetch('GET', '/api/v1/workers', { signal });

  for (const how of ['command', 'json'] as const) {
    it(`make the verb wait for a slow reader of a ${how} instead of keeping its text in memory`, async () => {
      await open();
      const line = { text: 'a'.repeat(64 * 1024) };
      let written = 0;
      act = async ({ row, signal }) => {
        while (!signal.aborted && written < 400) {
          await row(line);
          written += 1;
        }
        return DONE;
      };
      const answer = await (how === 'command' ? slowCommand() : slowJson());
      // It stalls before all 25 MB are written, because no one reads.
      let [before, same] = [-1, 0];
      await until('the verb stands still', () => {
        same = written === before ? same + 1 : 0;
        before = written;
        return same > 50;
      });
      expect(written).to.be.lessThan(400);
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      answer.resume();
      await once(answer, 'end');
      expect(written).to.equal(400);
      const items = how === 'json' ? (JSON.parse(text) as { items: unknown[] }).items : framesOf(text);
      expect(items.length).to.be.at.least(400);
    });
  }

  it('break off if a verb fails after much of its list was sent', async () => {
    await open();
    const line = { text: 'a'.repeat(64 * 1024) };
    act = async ({ row }) => {
      for (let n = 0; n < 50; n += 1) await row(line);
      return AWAY;
    };
    const answer = await server.fetch('GET', '/api/v1/workers');
    expect(answer.status).to.equal(200);
    const error = await answer.text().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(Error);
    act = async ({ row }) => {
      for (let n = 0; n < 50; n += 1) await row(line);
      throw new Error('a verb never throws');
    };
    const broken = await (await server.fetch('GET', '/api/v1/workers')).text().catch((thrown: unknown) => thrown);
    expect(broken).to.be.instanceOf(Error);
    expect(server.hidden.map(String)).to.deep.equal(['Error: a verb never throws']);
    act = async ({ row }) => {
      await row({});
      return AWAY;
    };
    expect((await server.call('GET', '/workers')).error).to.include({ kind: 'unavailable' });
  });

  const slowCommand = (): Promise<IncomingMessage> =>
    slowly('POST', '/api/v1/verbs', JSON.stringify({ name: 'workers', input: {} }));
  const slowJson = (): Promise<IncomingMessage> => slowly('GET', '/api/v1/workers', null);

  /** Sends the request without reading the answer. */
  async function slowly(method: string, path: string, body: string | null): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${await server.token('operate')}`, 'content-type': 'application/json' };
    const asked = request(`${server.url}${path}`, {
      method,
      headers: body === null ? { authorization: headers.authorization } : headers,
    });
    asked.end(body ?? undefined);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer.pause();
  }
});
