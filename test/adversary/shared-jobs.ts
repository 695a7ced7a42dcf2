/** A kind of job. */
export interface Shape {
  readonly steps: readonly object[];
  /** The lines of its input; three by default. */
  readonly lines?: readonly string[];
  /** The steps of a job file that corrects it. */
  readonly fix?: readonly object[];
  /** What its last step publishes. */
  readonly gives: string;
  /** Whether its workers need a rule of the later version. */
  readonly isBeyond: boolean;
  /** Further fields of its job file. */
  readonly more?: object;
}

const HERE = 'here\nhere\nhere\n';
export const LINES = ['one', 'two', 'three'];
/** `halt` judges from 20 ended tasks on. */
const MANY = Array.from({ length: 22 }, (_, n) => `line ${n}`);
/** The kinds of jobs that both versions meet. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  chain: {
    steps: [
      { name: 'up', run: 'tr a-z A-Z' },
      { name: 'end', run: ['sh', 'own.sh'] },
    ],
    gives: 'ONE\nTWO\nTHREE\n',
    isBeyond: false,
  },
  gather: {
    steps: [
      { name: 'bare', run: "tr -d '\\n'" },
      { name: 'all', gather: true, run: ['sh', 'own.sh'] },
    ],
    gives: 'one\ntwo\nthree',
    isBeyond: false,
  },
  explode: {
    steps: [
      { name: 'cut', output: 'files', explode: true, run: 'split -l 1 - "$BATCHCTL_OUTPUT_DIR/row-"' },
      { name: 'end', run: 'tr a-z A-Z' },
      { name: 'all', gather: true, run: ['sort'] },
    ],
    gives: 'ONE\nTHREE\nTWO\n',
    isBeyond: false,
  },
  place: { steps: [{ name: 'say', run: ['sh', 'own.sh', '{place}'] }], gives: HERE, isBeyond: true },
  'place, at the end': {
    steps: [
      { name: 'up', run: 'tr a-z A-Z' },
      { name: 'say', run: ['sh', 'own.sh', '{place}'] },
    ],
    gives: HERE,
    isBeyond: true,
  },
  // Fails, until a person accepts its control total.
  total: {
    steps: [{ name: 'up', run: 'tr a-z A-Z; echo seen 2 > "$BATCHCTL_COUNTERS"' }],
    more: { expect: ['up.seen == input.records'] },
    gives: 'ONE\nTWO\nTHREE\n',
    isBeyond: false,
  },
  tolerated: {
    steps: [
      { name: 'most', attempts: 1, run: 'read n; [ "$n" != two ] || exit 3; echo "$n"' },
      { name: 'all', gather: true, run: ['cat'] },
    ],
    more: { tolerate: 1 },
    gives: 'one\nthree\n',
    isBeyond: false,
  },
  // Fails, until a retry with another job file brings the rule.
  fixed: {
    steps: [{ name: 'say', attempts: 1, run: ['false'] }],
    fix: [{ name: 'say', attempts: 1, run: ['echo', '{place}'] }],
    gives: HERE,
    isBeyond: false,
  },
  // Is paused when 20 of its tasks have failed, until a person resumes and corrects it.
  halting: {
    lines: MANY,
    steps: [{ name: 'same', attempts: 1, run: 'cat >/dev/null; exit 3' }],
    more: { halt: '5%' },
    fix: [{ name: 'same', attempts: 1, run: 'cat' }],
    gives: `${MANY.join('\n')}\n`,
    isBeyond: false,
  },
  // Sends nothing after its first failure.
  stopping: {
    steps: [
      { name: 'first', attempts: 1, run: 'read n; [ "$n" != two ] || exit 3; echo "$n"' },
      { name: 'next', attempts: 1, run: ['cat'] },
    ],
    more: { onFailure: 'stop' },
    fix: [
      { name: 'first', attempts: 1, run: 'cat' },
      { name: 'next', attempts: 1, run: ['cat'] },
    ],
    gives: 'one\ntwo\nthree\n',
    isBeyond: false,
  },
};

/** Commands that look at one job. With exit 0 they state something of it. */
export const LOOKS = [
  ...['status', 'verify', 'verify --deep', 'history', 'report', 'tasks', 'failures', 'why', 'fetch'],
  ...['wait --timeout 1s', 'logs'],
];
/** Commands that decide about one job. */
export const DECISIONS = [
  ...['pause', 'pause --now', 'resume', 'retry', 'cancel --yes', 'verify --repair', 'adjust --tolerate 1'],
  ...['adjust --accept 1 --reason known', 'skip --task FIRST/1 --reason known', 'skip --task FIRST/1 --undo'],
  ...['kill FIRST/2', 'resume --with FILE', 'retry --with FILE', 'run'],
];
/** Commands that concern all jobs. */
export const SWEEPS = ['jobs', 'doctor', 'tick', 'prune --all --yes', 'ledger rebuild', 'queue', 'workers'];
