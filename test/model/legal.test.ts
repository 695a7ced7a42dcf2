// Protects: a command that a job's state does not allow is refused with what to do instead, as docs/states.md says.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { EntryKind } from '../../src/model/journal.ts';
import { isAlreadyDone, LEGAL_STATES, type RequestedEntry, refusalOf } from '../../src/model/legal.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { closeOf, SENT, viewOf } from './job-of.ts';

const STATES: Readonly<Record<string, readonly EntryKind[]>> = {
  submitted: [],
  running: [SENT],
  paused: [SENT, { what: 'pause', now: false, reason: 'person' }],
  succeeded: [SENT, closeOf('succeeded')],
  failed: [SENT, closeOf('failed')],
  cancelled: [SENT, { what: 'cancel' }],
};
const inState = (state: string): JobView => viewOf(STATES[state] ?? []);

describe('the table of legal entries', () => {
  for (const state of Object.keys(STATES)) {
    it(`says for a job that is ${state} what is allowed, and how to get the rest`, () => {
      const view = inState(state);
      expect(stateOf(view)).to.equal(state);
      for (const what of Object.keys(LEGAL_STATES) as RequestedEntry[]) {
        const illegal = refusalOf(view, what);
        expect(illegal === null, what).to.equal(LEGAL_STATES[what].some((legal) => legal === state));
        if (illegal !== null) expect(illegal.hint).to.include(view.record.job);
      }
    });
  }

  it('offers a retry only where tasks failed, and nothing that would reopen any other closed job', () => {
    const hintOf = (reason: string | null, state: 'succeeded' | 'failed', what: RequestedEntry): string | undefined =>
      refusalOf(viewOf([SENT, closeOf(state, 0, reason)]), what)
        ?.hint.replace(/claims-\S+/, 'JOB')
        .replace(/\bJOB\b.*/, 'JOB');
    const refused = ['pause', 'resume', 'kill', 'adjust'] as const;
    for (const what of refused) {
      for (const reason of ['failures', 'stopped'])
        expect(hintOf(reason, 'failed', what), what).to.equal('batchctl retry JOB');
      for (const reason of ['expect', 'maxTasks', 'lostOutput', 'another'])
        expect(hintOf(reason, 'failed', what), what).to.equal('batchctl why JOB');
      expect(hintOf(null, 'succeeded', what), what).to.equal('batchctl status JOB');
    }
    for (const state of ['succeeded', 'failed'] as const)
      expect(hintOf(state === 'failed' ? 'failures' : null, state, 'cancel')).to.equal('batchctl status JOB');
    expect(hintOf(null, 'succeeded', 'accept')).to.equal('batchctl status JOB');
  });

  it('recognises a request that changes nothing', () => {
    expect(isAlreadyDone(inState('cancelled'), 'cancel')).to.equal(true);
    expect(isAlreadyDone(inState('running'), 'resume')).to.equal(true);
    expect(isAlreadyDone(inState('paused'), 'pause')).to.equal(true);
    expect(isAlreadyDone(inState('paused'), 'pause', true)).to.equal(false);
    expect(isAlreadyDone(inState('failed'), 'cancel')).to.equal(false);
  });

  it('matches the table of docs/states.md', () => {
    const doc = readFileSync(new URL('../../docs/states.md', import.meta.url), 'utf8');
    for (const what of Object.keys(LEGAL_STATES) as RequestedEntry[]) {
      const row = doc.split('\n').find((line) => line.startsWith('| ') && line.includes(`\`${what}\``)) ?? '';
      const cells = row
        .split('|')
        .slice(2, 8)
        .map((cell) => cell.trim().startsWith('yes'));
      expect(cells, what).to.deep.equal(
        Object.keys(STATES).map((state) => LEGAL_STATES[what].some((legal) => legal === state)),
      );
    }
  });
});
