/** One line of what a manager says of itself: for journald, a terminal, or a program that reads JSON Lines. */
export interface LogLine {
  /** A stable word: `fired`, `trouble`, `listening`. */
  readonly event: string;
  readonly level: 'info' | 'warning';
  /** For people. */
  readonly text: string;
  /** The same for programs. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export type Log = (line: LogLine) => void;

export const info = (event: string, text: string, fields: LogLine['fields'] = {}): LogLine => ({
  ...{ event, level: 'info', text, fields },
});

export const warning = (event: string, text: string, fields: LogLine['fields'] = {}): LogLine => ({
  ...{ event, level: 'warning', text, fields },
});
