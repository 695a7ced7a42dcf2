import { addEntry, all, checksum, entry, lastOf, one, type Row, record, remove, set } from './edits.ts';

const PIPE = { source: { kind: 'pipe' } };

/** Contradictions in job.json, inputs, decisions and parts. */
export const ACCEPTED: readonly Row[] = [
  ['recordDigest', 'claims', 'another program', record((of) => (of.spec.maxTasks = 7)), { keepDigest: true }],
  [
    'recordDigest',
    'claims',
    'another archive of files',
    record((of) => (of.code = '0'.repeat(64))),
    { keepDigest: true },
  ],
  ['recordDigest', 'claims', 'another period', record((of) => (of.period = '2026-11')), { keepDigest: true }],
  [
    'recordDigest',
    'claims',
    'another place of delivery',
    record((of) => (of.deliverTo = { place: 's3://eve/' })),
    { keepDigest: true },
  ],
  [
    'recordDigest',
    'claims',
    'another input',
    set('input', {}, { name: 'b.txt', source: { kind: 'store', key: 'x', etag: 'y' } }),
    { keepDigest: true },
  ],
  ['jobId', 'claims', 'created on another day', record((of) => (of.createdAt = '2031-01-01T00:00:00.000Z'))],
  [
    'jobId',
    'claims',
    'created in another minute',
    record((of) => (of.createdAt = new Date(Date.parse(of.createdAt) + 120_000).toISOString())),
  ],
  [
    'jobId',
    'claims',
    'created at the same time of another day',
    record((of) => (of.createdAt = `2031-01-01${of.createdAt.slice(10)}`)),
  ],
  ['jobId', 'claims', 'another name', record((of) => (of.spec.name = 'refunds'))],
  [
    'runKey',
    'claims',
    'a run key without a number',
    record((of) => (of.runKey = 'may')),
    { result: (of) => (of.runKey = 'may') },
  ],
  ['runKey', 'claims', 'a number without a run key', record((of) => (of.runNumber = 0))],
  [
    'runKey',
    'claims',
    'a number that counts nothing',
    record((of) => Object.assign(of, { runKey: 'may', runNumber: -1 })),
    { result: (of) => (of.runKey = 'may') },
  ],
  ['recordTimes', 'claims', 'no time', record((of) => (of.notBefore = 'tomorrow'))],
  ['recordTimes', 'claims', 'a deadline before the job', record((of) => (of.finishBy = '2020-01-01T00:00:00.000Z'))],
  ['rehearsal', 'claims', 'more parts than the whole', record((of) => (of.rehearsal = { of: { parts: 2 } }))],
  ['records', 'claims', 'records that no input has', record((of) => (of.records = 5))],
  ['records', 'packed', 'records of an input that its parts do not have', set('input', {}, { records: 9 })],
  ['inputs', 'wide', 'a number twice', set('input', { n: 1 }, { n: 0 })],
  [
    'inputTwice',
    'wide',
    'two inputs of one file',
    (lines) => void Object.assign(one(lines, 'input', { n: 1 }).source, { path: one(lines, 'input').source.path }),
  ],
  [
    'inputTwice',
    'wide',
    'a part of an input that had ended',
    (lines) => {
      lastOf(lines, 'part').input = 0;
    },
  ],
  ['inputChecksum', 'claims', 'a checksum that no one computed', set('input', {}, { checksumFrom: null })],
  ['inputChecksum', 'claims', 'a checksum by someone else', set('input', {}, { checksumFrom: 'eve' })],
  ['inputChecksum', 'wide', 'a submission that read a file in place', set('input', {}, { checksumFrom: 'submit' })],
  ['inputChecksum', 'wide', 'the checksum of a pipe', set('input', {}, PIPE)],
  ['inputChecksum', 'claims', 'no checksum', set('input', {}, { checksum: 'sha256:0' })],
  [
    'inputChecksum',
    'claims',
    'another one than in its key',
    set(
      'input',
      {},
      {
        checksum: checksum('a'),
        checksumFrom: 'submit',
        source: { kind: 'store', key: `data/inputs/${'b'.repeat(64)}/a.txt`, etag: 'x' },
      },
    ),
  ],
  ['inputSource', 'claims', 'no etag', set('input', {}, { source: { kind: 'store', key: 'x' } })],
  [
    'inputSource',
    'claims',
    'a file without a pin',
    set('input', {}, { source: { kind: 'file', path: '/a', pin: 'x' } }),
  ],
  ['inputSource', 'claims', 'no such kind', set('input', {}, { source: { kind: 'web', path: 'x' } })],
  [
    'inputSource',
    'claims',
    'another size',
    (lines) => {
      one(lines, 'input').source.pin.size = 11;
    },
  ],
  ['decisions', 'claims', 'a number twice', set('decision', { n: 1 }, { n: 0 })],
  [
    'decisions',
    'claims',
    'another last entry',
    () => undefined,
    { proof: ({ proof }) => (proof.entryChecksum = checksum('0')) },
  ],
  ['decision', 'claims', 'no author', entry('sent', (of) => delete of.who)],
  ['decision', 'claims', 'no kind', addEntry({ what: undefined })],
  ['decision', 'claims', 'no id', entry('sent', (of) => delete of.id)],
  ['decision', 'claims', 'no format', entry('sent', (of) => delete of.format)],
  ['decision', 'claims', 'a format that counts nothing', entry('sent', (of) => (of.format = 0))],
  ['decision', 'claims', 'no time', entry('sent', (of) => (of.when = 'now'))],
  [
    'decisionTwice',
    'claims',
    'the id of another',
    (lines) => {
      const first = JSON.parse(one(lines, 'decision').text).id;
      entry('close', (of) => (of.id = first))(lines);
    },
  ],
  ['decisionTime', 'claims', 'long before the job', entry('sent', (of) => (of.when = '2020-01-01T00:00:00.000Z'))],
  [
    'decisionTasks',
    'claims',
    'a step that does not exist',
    entry('skip', (of) => (of.tasks = { price: '4', refund: '0' })),
  ],
  ['decisionTasks', 'claims', 'a task that does not exist', entry('skip', (of) => (of.tasks = { price: '4,6' }))],
  [
    'decisionTasks',
    'claims',
    'a gather with two tasks',
    addEntry({ what: 'kill', mode: 'requeue', tasks: { totals: '1' } }),
  ],
  ['decisionTasks', 'fixed', 'canaries of other tasks', entry('retry', (of) => (of.canaries = { price: '0' }))],
  ['decisionTasks', 'claims', 'failed tasks that are not skipped', entry('skip', (of) => (of.failed = { price: '2' }))],
  [
    'decisionRound',
    'fixed',
    'a round too far',
    (lines) => {
      entry('retry', (of) => (of.round = 3))(lines);
      entry('close', (of) => (of.round = 3))(lines);
    },
  ],
  [
    'decisionRound',
    'fixed',
    'a retry in the round before it',
    (lines) => {
      entry('retry', (of) => (of.round = 0))(lines);
      entry('close', (of) => (of.round = 0))(lines);
    },
  ],
  ...(['skip', 'unskip'] as const).map(
    (what): Row => [
      'decisionRound',
      'claims',
      `an entry ${what} of a round too far`,
      addEntry({ what, round: 7, tasks: { price: '4' }, reason: 'x' }),
    ],
  ),
  ['decisionRound', 'claims', 'a close of a later round', entry('close', (of) => (of.round = 1))],
  [
    'decisionOf',
    'claims',
    'a delivery after no close',
    addEntry({ what: 'delivered', after: 0, to: 's3://x/', outputs: 1, bytes: 1 }),
  ],
  [
    'decisionOf',
    'claims',
    'a delivery of a job that is delivered nowhere',
    (lines) => {
      const after = all(lines, 'decision').length - 1;
      addEntry({ what: 'delivered', after, to: 's3://x/', outputs: 1, bytes: 1 })(lines);
    },
  ],
  [
    'decisionOf',
    'claims',
    'a delivery to the right place, after no close',
    (lines) => {
      record((of) => (of.deliverTo = { place: 's3://x/' }))(lines);
      addEntry({ what: 'delivered', after: 0, to: 's3://x/', outputs: 1, bytes: 1 })(lines);
    },
  ],
  ['decisionOf', 'claims', 'a second sending', addEntry({ what: 'sent' }, 1)],
  ['decisionOf', 'claims', 'a success for a reason', entry('close', (of) => (of.reason = 'failures'))],
  ['decisionOf', 'fixed', 'the rest of a round that nothing held back', addEntry({ what: 'retry-rest', round: 1 }, 3)],
  [
    'decisionOf',
    'fixed',
    'the rest of another round than its canary held back',
    (lines) => {
      entry('retry', (of) => (of.canaries = { price: '1' }))(lines);
      addEntry({ what: 'retry-rest', round: 7 })(lines);
    },
  ],
  [
    'decisionOf',
    'claims',
    'an opening of a step that waits for nothing',
    addEntry({ what: 'open', step: 'convert', count: 4, leftOut: '2,4' }),
  ],
  ['pruned', 'claims', 'a prune', addEntry({ what: 'prune' })],
  ['partMissing', 'claims', 'a part less', remove('part', { n: 3 })],
  ['partTwice', 'claims', 'a part twice', set('part', { n: 3 }, { n: 2 })],
  [
    'partExtra',
    'claims',
    'one part more',
    (lines) =>
      void lines.splice(lines.indexOf(lastOf(lines, 'part')) + 1, 0, {
        ...lastOf(lines, 'part'),
        n: 6,
      }),
  ],
  ['partKind', 'claims', 'a whole file', set('part', { n: 3 }, { kind: 'whole' })],
  ['partKind', 'wide', 'ranges of a pipe', set('input', {}, { ...PIPE, checksum: null, checksumFrom: null })],
  ['partInput', 'claims', 'an input that does not exist', set('part', { n: 5 }, { input: 3 })],
  [
    'partAltered',
    'packed',
    'the piece of another part',
    (lines) => {
      one(lines, 'part', { n: 1 }).key = one(lines, 'part', { n: 0 }).key;
    },
  ],
  ['partAltered', 'grid', 'other parameters', set('part', { n: 1 }, { params: { a: 'q', b: 'z' } })],
  ['partRecords', 'packed', 'more records than the split makes', set('part', { n: 0 }, { records: 3 })],
  ['partRecords', 'records', 'half a record', set('part', { n: 0 }, { length: 6 })],
  ['partRecords', 'packed', 'another first record', set('part', { n: 1 }, { first: 4 })],
  ['pieceChecksum', 'packed', 'no checksum', set('part', { n: 0 }, { checksum: 'sha256:x' })],
  ['byteGap', 'claims', 'a byte in no part', set('part', { n: 3 }, { offset: 7, length: 1 })],
  [
    'byteGap',
    'claims',
    'a longer input',
    (lines) => {
      const input = one(lines, 'input');
      input.size = 14;
      input.source.pin.size = 14;
    },
  ],
  ['byteTwice', 'claims', 'a byte in two parts', set('part', { n: 3 }, { offset: 5, length: 3 })],
  [
    'partEmpty',
    'claims',
    'an empty part',
    (lines) => {
      Object.assign(one(lines, 'part', { n: 3 }), { length: 0 });
      Object.assign(one(lines, 'part', { n: 4 }), { offset: 6, length: 4 });
    },
  ],
  [
    'header',
    'wide',
    'another header',
    (lines) => {
      lastOf(lines, 'part', { input: 0 }).header.length = 3;
    },
  ],
  ['header', 'packed', 'a piece smaller than its header', set('part', { n: 1 }, { size: 2 })],
  [
    'inputMissing',
    'wide',
    'an input that is not said to be empty, without a part',
    (lines) => {
      const input = structuredClone(lastOf(lines, 'input'));
      input.n += 1;
      input.name = 'c.csv';
      input.source.path = '/c.csv';
      lines.splice(lines.indexOf(lastOf(lines, 'input')) + 1, 0, input);
    },
  ],
  ['inputMissing', 'wide', 'an input with parts that is said to have none', set('input', {}, { parts: 0 })],
];
