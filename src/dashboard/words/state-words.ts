import type { State, Status } from '../answers.ts';
import type { Tone } from './tone.ts';

export const isOpen = (state: State): boolean => state === 'submitted' || state === 'running' || state === 'paused';

export function toneOfState(state: State): Tone {
  if (state === 'succeeded') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'submitted' || state === 'running' ? 'open' : 'doubtful';
}

const REASONS: Readonly<Record<string, string>> = {
  failures: 'tasks failed for good',
  stopped: 'stopped at the first failure for good',
  expect: 'a control total does not hold',
  halt: 'too many tasks failed',
  deployment: 'its program seems to be at fault',
  secret: 'a secret can not be had',
  budget: 'its money is spent',
  maxTasks: 'an explode made more tasks than it may have',
  person: 'by a person',
};

/** A stable code in words. Codes only grow, and a person's reason is text already: what isn't known stands as it is. */
export const reasonText = (reason: string): string => REASONS[reason] ?? reason;

/** `Running · 62 % done`, `Paused · too many tasks failed`. */
export function stateSentence({ state, reason }: Pick<Status, 'state' | 'reason'>, share: string | null): string {
  const word = `${state.charAt(0).toUpperCase()}${state.slice(1)}`;
  if (reason !== null) return `${word} · ${reasonText(reason)}`;
  return state === 'running' && share !== null ? `${word} · ${share} done` : word;
}
