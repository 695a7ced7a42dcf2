import { formatInstant } from '../../cli/format.ts';
import { rehearsalText } from '../../model/rehearsal.ts';
import type { Status } from '../answers.ts';
import type { Tone } from './tone.ts';

/** Something about a job that its counts don't show. */
export interface JobNote {
  readonly tone: Tone | null;
  readonly text: string;
  /** What mends it. */
  readonly command: string | null;
}

/** Where its outputs went, who could not be told of it, that it is a rehearsal, that it was pruned. */
export function notesOf(status: Status, zone: string): readonly JobNote[] {
  const { job, rehearsal, prunedAt, untold, journalHole } = status;
  const note = (text: string): JobNote => ({ text, tone: null, command: null });
  return [
    ...(journalHole ? [holeNote(job, journalHole)] : []),
    ...(rehearsal === null ? [] : [note(`Not a real run, but ${rehearsalText(rehearsal.parts, rehearsal.of)}.`)]),
    ...deliveryNotes(status, zone),
    ...untold.map(({ event, to, message, next }): JobNote => {
      const again = next === null ? 'Nobody tries again.' : 'It is tried again.';
      const why = message ?? 'whoever tried has died';
      return { tone: 'bad', text: `${to} could not be told of ${event}: ${why}. ${again}`, command: null };
    }),
    ...(prunedAt === null
      ? []
      : [note(`Its outputs, parts and logs were removed: ${formatInstant(Date.parse(prunedAt), zone)}.`)]),
  ];
}

function holeNote(job: string, { missing, last }: NonNullable<Status['journalHole']>): JobNote {
  const text = `Entry ${missing} of its journal is missing, and entries up to ${last} are there: they are not told here, and nothing is decided about the job until it is restored.`;
  return { tone: 'bad', text, command: `batchctl history ${job}` };
}

function deliveryNotes({ job, delivery }: Status, zone: string): readonly JobNote[] {
  if (delivery === null) return [];
  const { to, host, state, delivered, failed } = delivery;
  const where = host === null ? to : `${to} on ${host}`;
  switch (state) {
    case 'waiting':
      return [{ tone: null, text: `Its outputs are to be delivered to ${where}.`, command: null }];
    case 'none':
      return [{ tone: null, text: `Nothing was delivered to ${where}: only what succeeds is.`, command: null }];
    case 'due':
      return [{ tone: 'open', text: `Not delivered yet to ${where}.`, command: null }];
    case 'failing':
    case 'givenUp': {
      const again = state === 'failing' ? ' It is tried again after a while.' : '';
      const text = `NOT delivered to ${where}: ${failed?.message ?? 'nobody knows why'}.${again}`;
      return [{ tone: 'bad', text, command: `batchctl watch ${job}` }];
    }
    case 'delivered': {
      const at = delivered === null ? '' : `, ${formatInstant(Date.parse(delivered.when), zone)}`;
      return [{ tone: 'good', text: `Delivered to ${where}${at}.`, command: null }];
    }
    default:
      return state satisfies never;
  }
}
