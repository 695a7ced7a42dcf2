/**
 * The colours. Text has a contrast of at least 4.5 to its background, and drawings at least 3, in both schemes. Kinds
 * also differ in lightness, pattern and marks, so that they can be told apart without colour.
 */
const LIGHT = {
  ground: '#ffffff',
  soft: '#f3f5f8',
  line: '#d5dae1',
  text: '#1b222c',
  muted: '#56606d',
  good: '#0b6b4c',
  bad: '#b02318',
  doubtful: '#8a5300',
  open: '#1f5fa8',
  'good-soft': '#ebf6f1',
  'bad-soft': '#fdf0ee',
  'doubtful-soft': '#fdf4e4',
  'open-soft': '#edf4fc',
  done: '#3b7cc4',
  slow: '#17365d',
  running: '#6a8f3c',
  retried: '#d88a1c',
  failed: '#b02318',
  interrupted: '#737d8a',
} as const;

const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  ground: '#11151b',
  soft: '#1a2028',
  line: '#323b47',
  text: '#e4e8ee',
  muted: '#9fa9b6',
  good: '#5ccb9f',
  bad: '#ff8f80',
  doubtful: '#e9b256',
  open: '#7fb4f0',
  'good-soft': '#13261f',
  'bad-soft': '#2c1917',
  'doubtful-soft': '#2a2113',
  'open-soft': '#15222f',
  done: '#4f8fd6',
  slow: '#c3defc',
  running: '#8fb35f',
  retried: '#e5a13c',
  failed: '#f2705f',
  interrupted: '#8b95a2',
};

export const SCHEMES = { light: properties(LIGHT), dark: properties(DARK) };

/** Custom properties for light, and for dark screens; paper is always light. */
export const THEME = `:root{${SCHEMES.light}}
@media screen and (prefers-color-scheme:dark){:root{${SCHEMES.dark}}}`;

function properties(colours: Readonly<Record<string, string>>): string {
  return Object.entries(colours)
    .map(([name, value]) => `--${name}:${value};`)
    .join('');
}

/** Good news, bad news, a warning, or still undecided. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'open';

/** The path in the circle beside a verdict, on 40 by 40 units. */
export const VERDICT_SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M11 21l6 6 12-13',
  bad: 'M13 13l14 14M27 13L13 27',
  doubtful: 'M20 10v13M20 28v2',
  open: 'M20 10v11l7 5',
};
