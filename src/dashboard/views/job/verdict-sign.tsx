import type { Tone } from '../../words/job-state.ts';

/** The report's signs. */
const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M11 21l6 6 12-13',
  bad: 'M13 13l14 14M27 13L13 27',
  doubtful: 'M20 10v13M20 28v2',
  open: 'M20 10v11l7 5',
};

export function VerdictSign({ tone }: { readonly tone: Tone }) {
  return (
    <svg width="40" height="40" viewBox="0 0 40 40" aria-hidden="true">
      <circle cx="20" cy="20" r="19" />
      <path d={SIGNS[tone]} />
    </svg>
  );
}
