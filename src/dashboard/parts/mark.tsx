import type { State } from '../answers.ts';
import { toneOfState } from '../words/state-words.ts';
import type { Tone } from '../words/tone.ts';

const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M3.5 8.5l3 3 6-7',
  bad: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  doubtful: 'M8 3.5v5.5M8 11.6v.9',
  open: 'M8 4v4.2l2.8 2',
};

/** A sign beside a word, so that the tone can be told without its colour. */
export function Sign({ tone }: { readonly tone: Tone }) {
  return (
    <svg class={`sign ${tone}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="7.25" />
      <path d={SIGNS[tone]} />
    </svg>
  );
}

export function Mark({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`mark ${tone}`}>
      <Sign tone={tone} />
      {children}
    </span>
  );
}

export function StateMark({ state }: { readonly state: State }) {
  return <Mark tone={toneOfState(state)}>{state}</Mark>;
}
