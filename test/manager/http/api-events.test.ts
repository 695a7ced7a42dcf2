// Protects: watchers of the API see each change of a job at once, and its end.

import { expect } from 'chai';
import { jobKey } from '../../../src/model/keys.ts';
import type { VerbCall } from '../../../src/verbs/remote-caller.ts';
import type { VerbResponse, VerbRunner } from '../../../src/verbs/verb-runner.ts';
import { forEachTest } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';
import { until } from '../../support/until.ts';

interface Event {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests check what it contains.
  readonly data: any;
}

/** Reads server-sent events until `leave`. */
class Events {
  readonly seen: Event[] = [];
  comments = 0;
  ended = false;
  readonly #leave = new AbortController();
  #text = '';

  static async open(server: ApiServer, path: string): Promise<Events> {
    const events = new Events();
    const answer = await server.fetch('GET', `/api/v1${path}`, { signal: events.#leave.signal, scope: 'read' });
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('content-type')).to.match(/^text\/event-stream/);
    void events.#read(answer).catch(() => {
      events.ended = true;
    });
    return events;
  }

  leave(): void {
    this.#leave.abort();
  }

  last(event: string): Event['data'] {
    return this.seen.filter((each) => each.event === event).at(-1)?.data;
  }

  async #read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of body ?? []) {
      this.#text += decoder.decode(bytes, { stream: true });
      const blocks = this.#text.split('\n\n');
      this.#text = blocks.pop() ?? '';
      for (const block of blocks) {
        const match = /^event: (\w+)\ndata: (.*)$/.exec(block);
        if (match === null) this.comments += 1;
        else this.seen.push({ event: match[1] ?? '', data: JSON.parse(match[2] ?? '') });
      }
    }
    this.ended = true;
  }
}

describe("the API's events", () => {
  /** Replaces the real verbs in a test. */
  let runVerb: ((call: VerbCall, real: VerbRunner) => Promise<VerbResponse>) | null;
  const server = forEachTest(() => {
    runVerb = null;
    return ApiServer.open({ aliveMs: 30, runVerb: (call, real) => runVerb?.(call, real) ?? real.call(call) });
  });
  const submit = async (name: string): Promise<string> => {
    const spec = rangeJob(name, 3, { name: 'one', run: ['cat'] });
    return (await server.call('POST', '/jobs', { spec })).json.job;
  };
  const callsOf = (verb: string): number => server.calls.filter(({ name }) => name === verb).length;

  it("send a job's status at once, after each change, and announce its end", async () => {
    const id = await submit('watched');
    const events = await Events.open(server, '/jobs/last/events');
    await until('the status', () => events.last('status'));
    expect(events.last('status')).to.include({ job: id, state: 'running' });
    await until('signs of life', () => events.comments > 2);
    expect((await server.workspace.work()).code).to.equal(0);
    await until('the end', () => events.ended);
    expect(events.last('status')).to.include({ state: 'succeeded' });
    expect(events.seen.at(-1)).to.deep.equal({ event: 'end', data: {} });
    for (const { event, data } of events.seen)
      if (event === 'status') server.document.validate('components/schemas/Status', data);
    const texts = events.seen.map(({ data }) => JSON.stringify(data));
    expect(new Set(texts).size, 'no event is sent twice').to.equal(texts.length);
    const again = await Events.open(server, `/jobs/${id}/events`);
    await until('the end', () => again.ended);
    expect(again.seen.map(({ event }) => event)).to.deep.equal(['status', 'end']);
  });

  it('reject a job that does not exist before they begin', async () => {
    const { status, error } = await server.call('GET', '/jobs/nope/events');
    expect([status, error.kind]).to.deep.equal([404, 'notFound']);
  });

  it('are read once for all listeners, and not at all without listeners', async () => {
    // Each read of a status waits until the test allows it, so that none comes before all listen.
    let allowed = 0;
    let reads = 0;
    runVerb = async (call, real) => {
      const number = call.name === 'status' ? ++reads : 0;
      await until('the read is allowed', () => number <= allowed || call.signal.aborted);
      return real.call(call);
    };
    await submit('shared');
    const all = await Promise.all(Array.from({ length: 20 }, () => Events.open(server, '/jobs/last/events')));
    expect(callsOf('status')).to.equal(1);
    allowed = 1;
    await until('all have the status', () => all.every((events) => events.last('status')));
    await until('the next read', () => callsOf('status') === 2);
    allowed = Number.POSITIVE_INFINITY;
    for (const events of all) events.leave();
    await until('no stream is left', () => server.calls.every(({ signal }) => signal.aborted));
    const before = callsOf('status');
    const later = await Events.open(server, '/events');
    await until('two overviews', () => callsOf('workers') >= 2);
    // The overview reads the open job, once each time.
    expect(callsOf('status') - before).to.be.at.most(callsOf('workers'));
    later.leave();
  });

  it('send an overview: open jobs first, then those that ended recently', async () => {
    const done = await submit('done');
    expect((await server.workspace.work()).code).to.equal(0);
    await until(
      'the job is closed',
      async () => (await server.call('GET', `/jobs/${done}`)).json.state === 'succeeded',
    );
    const open = await submit('open');
    const events = await Events.open(server, '/events');
    await until('the overview', () => events.last('overview'));
    const overview = events.last('overview');
    server.document.validate('components/schemas/Overview', overview);
    expect(overview.jobs.map(({ job: id }: { job: string }) => id)).to.deep.equal([open, done]);
    expect(overview).to.deep.include({ more: false, firings: [], troubles: [] });
    expect(overview.queues[0]).to.include({ group: 'default', visible: 3 });
    await server.call('POST', `/jobs/${open}/cancellations`);
    await until('the change', () => events.last('overview').jobs[0].state === 'cancelled');
    events.leave();
  });

  it('report what can not be read, and continue', async () => {
    const error = { kind: 'unavailable', message: 'SQS is away', hint: null } as const;
    let isBroken = true;
    runVerb = async (call, real) =>
      isBroken && ['queue', 'status'].includes(call.name) ? { answer: undefined, exitCode: 8, error } : real.call(call);
    await submit('troubled');
    const [events, one] = [await Events.open(server, '/events'), await Events.open(server, '/jobs/last/events')];
    await until('the overview', () => events.last('overview'));
    server.document.validate('components/schemas/Overview', events.last('overview'));
    expect(events.last('overview').troubles[0]).to.deep.equal(error);
    await until('trouble', () => one.last('trouble'));
    isBroken = false;
    await until('no trouble', () => events.last('overview').troubles.length === 0);
    await until('the status', () => one.last('status'));
  });

  it('show the other jobs where one can not be read, and say which', async () => {
    const [unread, open] = [await submit('unread'), await submit('open')];
    const { store } = server.platform;
    const record = JSON.parse(new TextDecoder().decode((await store.read(jobKey(unread))) ?? new Uint8Array()));
    await store.put(jobKey(unread), JSON.stringify({ ...record, format: 99 }));
    const events = await Events.open(server, '/events');
    await until('the overview', () => events.last('overview'));
    const { jobs, troubles } = events.last('overview');
    expect(jobs.map(({ job }: { job: string }) => job)).to.deep.equal([open]);
    expect(troubles).to.have.length(1);
    expect(troubles[0].message).to.include(`${unread}/job.json has format 99`);
    events.leave();
  });

  it('end with the message that the manager is leaving', async () => {
    const events = await Events.open(server, '/events');
    await until('the overview', () => events.last('overview'));
    void server.app.close();
    await until('the end', () => events.ended);
    expect(events.seen.at(-1)).to.deep.equal({ event: 'leaving', data: {} });
  });
});
