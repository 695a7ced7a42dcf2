import {
  addEntry,
  checksum,
  entry,
  insertEnd,
  one,
  PRICE0,
  publishAgain,
  type Row,
  record,
  remove,
  set,
} from './edits.ts';

/** Contradictions in openings, ends, files and the proof. */
export const ENDED: readonly Row[] = [
  ['notOpened', 'claims', 'a gather that was never opened', remove('opened')],
  ['opened', 'claims', 'an output less', set('opened', {}, { leftOut: '0,2,4', count: 3 })],
  ['opened', 'claims', 'another count', set('opened', {}, { count: 3 })],
  [
    'opened',
    'claims',
    'a step that waits for nothing',
    (lines) => void lines.splice(lines.indexOf(one(lines, 'opened')), 0, { ...one(lines, 'opened'), step: 'convert' }),
  ],
  [
    'opened',
    'claims',
    'a gather that was opened twice',
    (lines) => void lines.splice(lines.indexOf(one(lines, 'opened')), 0, structuredClone(one(lines, 'opened'))),
  ],
  [
    'endTwice',
    'claims',
    'two ends',
    (lines) => void lines.splice(lines.indexOf(one(lines, 'end')), 0, structuredClone(one(lines, 'end'))),
  ],
  [
    'foreign',
    'claims',
    'a task too much',
    (lines) => {
      const end = one(lines, 'end', { step: 'totals' });
      lines.splice(lines.indexOf(end) + 1, 0, { ...end, n: 1, attempt: 'other' });
    },
  ],
  ['altered', 'claims', 'no checksum', set('end', PRICE0, { checksum: 'sha256:0' })],
  [
    'altered',
    'claims',
    'an output that verify itself found altered',
    (lines) => {
      const end = one(lines, 'end', { step: 'totals' });
      lines[lines.indexOf(end)] = { line: 'end', step: 'totals', n: 0, end: 'altered', problem: 'it has 1 byte' };
    },
  ],
  ['altered', 'claims', 'no attempt', set('end', PRICE0, { attempt: '' })],
  ['altered', 'claims', 'no checksum of its input', set('end', { step: 'convert' }, { inputChecksum: 'sha256:0' })],
  [
    'counters',
    'claims',
    'a counter that is not decimal',
    (lines) => {
      one(lines, 'end', PRICE0).counters.tax = '1e3';
    },
  ],
  [
    'counters',
    'claims',
    'a name that is not one',
    (lines) => {
      one(lines, 'end', PRICE0).counters['a b'] = '1';
    },
  ],
  [
    'attemptTwice',
    'claims',
    'two outputs of one attempt',
    (lines) => {
      one(lines, 'end', { step: 'convert' }).attempt = one(lines, 'end', PRICE0).attempt;
    },
  ],
  [
    'attemptTwice',
    'claims',
    'an attempt that published and failed',
    (lines) => {
      one(lines, 'end', { end: 'failed' }).attempt = one(lines, 'end', PRICE0).attempt;
    },
  ],
  ['attempts', 'claims', 'more attempts than the step has', set('end', PRICE0, { number: 2 })],
  ['code', 'claims', 'a program that the job does not have', set('end', PRICE0, { code: 'f'.repeat(64) })],
  [
    'code',
    'fixed',
    'the first program in the second round',
    (lines) => {
      one(lines, 'end', { n: 1 }).code = one(lines, 'end', { n: 0 }).code;
    },
  ],
  [
    'endRound',
    'fixed',
    'a round that did not ask for the task',
    (lines) => void Object.assign(one(lines, 'end', { n: 0 }), { round: 1, code: one(lines, 'end', { n: 1 }).code }),
  ],
  [
    'emptyChecksum',
    'claims',
    'bytes with the checksum of nothing',
    set(
      'end',
      { step: 'totals' },
      { checksum: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
    ),
  ],
  ['emptyChecksum', 'claims', 'no bytes, with a checksum of some', set('end', { step: 'totals' }, { bytesOut: 0 })],
  ['bytesIn', 'claims', 'more bytes than the part has', set('end', PRICE0, { bytesIn: 3 })],
  ['bytesIn', 'claims', 'other bytes than the output before has', set('end', { step: 'convert' }, { bytesIn: 3 })],
  ['bytesIn', 'boxes', 'other bytes than the file has', set('end', PRICE0, { bytesIn: 9 })],
  ['bytesIn', 'grid', 'other bytes than the parameters have', set('end', PRICE0, { bytesIn: 9 })],
  [
    'otherInput',
    'claims',
    'another output before it',
    set('end', { step: 'convert' }, { inputChecksum: checksum('1') }),
  ],
  [
    'otherInput',
    'claims',
    'an output that the next step did not read',
    set('end', PRICE0, { checksum: checksum('1') }),
  ],
  [
    'otherInput',
    'claims',
    'other outputs than the gather read',
    set('end', { step: 'convert' }, { checksum: checksum('1') }),
  ],
  ['otherInput', 'claims', 'the checksum of a part', set('end', PRICE0, { inputChecksum: checksum('1') })],
  ['otherFile', 'boxes', 'another file', set('end', PRICE0, { inputChecksum: checksum('1') })],
  ['late', 'claims', 'late, although its gather took it', set('end', { step: 'convert' }, { late: true })],
  [
    'late',
    'claims',
    'not late, although its gather left it out',
    (lines) => {
      publishAgain(lines, one(lines, 'end', { end: 'failed' }), one(lines, 'end', PRICE0));
      insertEnd(lines, { ...structuredClone(one(lines, 'end', { step: 'convert' })), n: 2, attempt: 'y' });
    },
  ],
  ['end', 'claims', 'a failure of another round', set('end', { end: 'failed' }, { round: 1 })],
  ['end', 'claims', 'a failure of a task that was skipped', entry('skip', (of) => (of.tasks = { price: '2,4' }))],
  ['end', 'claims', 'a skip that no one decided', set('end', { end: 'failed' }, { end: 'skipped' })],
  ['end', 'claims', 'given up without a stop', set('end', { end: 'failed' }, { end: 'givenUp' })],
  ['failure', 'claims', 'an exit with 0', set('end', { end: 'failed' }, { exitCode: 0 })],
  ['failure', 'claims', 'an exit without a code', set('end', { end: 'failed' }, { exitCode: null })],
  [
    'notDue',
    'claims',
    'the next step of a chain that had failed',
    (lines) =>
      void lines.splice(lines.indexOf(one(lines, 'end', { step: 'convert', n: 3 })), 0, {
        ...structuredClone(one(lines, 'end', { end: 'failed' })),
        step: 'convert',
        attempt: 'z',
      }),
  ],
  [
    'notDue',
    'claims',
    'the end of a gather that was never opened',
    (lines) => {
      remove('opened')(lines);
      const { step, n, ...failed } = structuredClone(one(lines, 'end', { end: 'failed' }));
      lines[lines.indexOf(one(lines, 'end', { step: 'totals' }))] = { ...failed, step: 'totals', n: 0, attempt: 'q' };
    },
  ],
  ['ends', 'claims', 'a skip without an end', remove('end', { end: 'skipped' })],
  ['missing', 'claims', 'a task without an end', remove('end', { step: 'totals' })],
  [
    'orphan',
    'claims',
    'an output of an output that does not exist',
    (lines) =>
      void lines.splice(lines.indexOf(one(lines, 'end', { step: 'convert', n: 3 })), 0, {
        ...structuredClone(one(lines, 'end', { step: 'convert' })),
        n: 2,
        attempt: 'w',
      }),
  ],
  [
    'failures',
    'claims',
    'more failures than are tolerated',
    record((of) => (of.spec.tolerate = { kind: 'count', count: 0 })),
  ],
  [
    'expect',
    'claims',
    'a counter',
    (lines) => {
      one(lines, 'end', PRICE0).counters.amount = '9';
    },
  ],
  [
    'jobFailed',
    'claims',
    'a close as failed',
    entry('close', (of) => Object.assign(of, { state: 'failed', reason: 'expect' })),
  ],
  ['cancelled', 'claims', 'a cancel', addEntry({ what: 'cancel' })],
  ['files', 'boxes', 'a file less', remove('file', { n: 3 })],
  ['files', 'boxes', 'more files than the step was opened with', set('opened', {}, { count: 3 })],
  [
    'files',
    'boxes',
    'a file that another task staged',
    (lines) => {
      const file = one(lines, 'file', { n: 1 });
      file.key = file.key.replace('/000000000/', '/000000001/');
    },
  ],
  ['files', 'boxes', 'a file of a step that takes none', set('file', { n: 0 }, { step: 'open' })],
  ['files', 'boxes', 'a file less before others', remove('file', { n: 2 })],
  ['files', 'boxes', 'no file', set('file', { n: 1 }, { kind: 'whole' })],
  ['files', 'boxes', 'a file of another step', set('file', { n: 0 }, { from: 'pack/0' })],
  ['files', 'boxes', 'a task whose number is written in another way', set('file', { n: 0 }, { from: 'open/00' })],
  [
    'files',
    'boxes',
    'a file of a task without an output',
    (lines) => {
      const file = one(lines, 'file', { n: 3 });
      Object.assign(file, { from: 'open/9', key: file.key.replace('000000001', '000000009') });
    },
  ],
  [
    'files',
    'boxes',
    'a file of a task whose files had ended',
    (lines) => {
      const file = one(lines, 'file', { n: 3 });
      const key = one(lines, 'file', { n: 0 }).key.replace(/[^/]+$/, '3');
      Object.assign(file, { from: 'open/0', name: '3', key });
    },
  ],
  [
    'files',
    'boxes',
    'files in another order',
    (lines) => {
      const [first, second] = [0, 1].map((n) => one(lines, 'file', { n }));
      const { n: _, ...moved } = { ...first };
      Object.assign(first ?? {}, { ...second, n: 0 });
      Object.assign(second ?? {}, moved);
    },
  ],
  ['files', 'boxes', 'a file of a task that did not stage it', set('file', { n: 1 }, { from: 'open/1' })],
  [
    'files',
    'boxes',
    'a key of another file',
    (lines) => {
      one(lines, 'file', { n: 1 }).key = one(lines, 'file', { n: 0 }).key;
    },
  ],
  [
    'files',
    'boxes',
    'two files of one name',
    (lines) =>
      void Object.assign(one(lines, 'file', { n: 1 }), {
        name: one(lines, 'file', { n: 0 }).name,
        key: one(lines, 'file', { n: 0 }).key,
      }),
  ],
  ['files', 'boxes', 'no checksum', set('file', { n: 1 }, { checksum: 'sha256:0' })],
  ['fileSum', 'boxes', 'another size', set('file', { n: 1 }, { size: 4 })],
  ['fileSum', 'boxes', 'another checksum', set('file', { n: 1 }, { checksum: checksum('2') })],
  ['fileSum', 'boxes', 'other bytes of the output', set('end', { step: 'open', n: 1 }, { bytesOut: 7 })],
  ['fileSum', 'boxes', 'another output', set('end', { step: 'open', n: 1 }, { checksum: checksum('2') })],
  ['stated', 'claims', 'another count', () => undefined, { result: (of) => (of.checked.outputs = 8) }],
  ['stated', 'claims', 'a skip less', () => undefined, { result: (of) => (of.skips = []) }],
  ['stated', 'claims', 'another state', () => undefined, { result: (of) => (of.state = 'failed') }],
  [
    'stated',
    'claims',
    'another sum',
    () => undefined,
    { result: (of) => (of.evidence.steps[0].counters.amount = '5') },
  ],
  [
    'proof',
    'claims',
    'a key of another job',
    () => undefined,
    { proof: (line) => (line.key = line.key.replace('claims', 'other')) },
  ],
  [
    'proof',
    'claims',
    'a later number without a proof before it',
    () => undefined,
    { proof: (line) => (line.key = line.key.replace('0000', '0001')) },
  ],
  [
    'proof',
    'claims',
    'a first proof after another',
    () => undefined,
    { proof: ({ proof }) => (proof.previous = checksum('3')) },
  ],
  [
    'proof',
    'claims',
    'no checksum of the proof before it',
    () => undefined,
    {
      proof: (line) => {
        line.key = line.key.replace('0000', '0001');
        line.proof.previous = 'sha256:0';
      },
    },
  ],
  ['decisions', 'claims', 'an earlier entry', () => undefined, { proof: ({ proof }) => (proof.entry = 0) }],
  [
    'proof',
    'claims',
    'a key of a proof that failed',
    () => undefined,
    { result: (of) => Object.assign(of, { verdict: 'failed', problems: [{ code: 'x', message: 'y' }] }) },
  ],
  ['proof', 'claims', 'no key', () => undefined, { proof: (line) => (line.key = null) }],
  ['proof', 'claims', 'another format', () => undefined, { proof: ({ proof }) => (proof.format = 2) }],
  [
    'proofTime',
    'claims',
    'long before the last decision',
    () => undefined,
    { proof: ({ proof }) => (proof.when = '2020-01-01T00:00:00.000Z') },
  ],
  [
    'proofTime',
    'claims',
    'two days before the last decision',
    () => undefined,
    { proof: ({ proof }) => (proof.when = new Date(Date.parse(proof.when) - 2 * 86_400_000).toISOString()) },
  ],
  ['proof', 'claims', 'no time', () => undefined, { proof: ({ proof }) => (proof.when = 'today') }],
  [
    'verdict',
    'claims',
    'proven, with a problem',
    () => undefined,
    { result: (of) => (of.problems = [{ code: 'missing', message: 'x' }]) },
  ],
  [
    'verdict',
    'claims',
    'proven, with an altered output',
    () => undefined,
    { result: (of) => (of.altered = ['price/1']) },
  ],
  ['verdict', 'claims', 'failed, without a problem', () => undefined, { result: (of) => (of.verdict = 'failed') }],
  ['deep', 'claims', 'not deep, but an input was read', () => undefined, { result: (of) => (of.deep = false) }],
  ['deep', 'claims', 'deep, but an input was not read', set('input', {}, { checksum: null, checksumFrom: null })],
  [
    'deep',
    'claims',
    'deep, but an input was not read, and another warning',
    set('input', {}, { checksum: null, checksumFrom: null }),
    { result: (of) => (of.warnings = [{ code: 'inputEmpty', message: 'x' }]) },
  ],
  [
    'notProven',
    'claims',
    'not proven',
    () => undefined,
    { result: (of) => Object.assign(of, { verdict: 'failed', problems: [{ code: 'x', message: 'y' }] }) },
  ],
];
