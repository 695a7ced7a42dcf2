/** Good news, bad news, a warning, or still undecided. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'open';

/** What is drawn into the circle beside a verdict, in a field of 40 by 40. */
export const VERDICT_SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M11 21l6 6 12-13',
  bad: 'M13 13l14 14M27 13L13 27',
  doubtful: 'M20 10v13M20 28v2',
  open: 'M20 10v11l7 5',
};
