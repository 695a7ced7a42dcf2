import * as v from 'valibot';
import { count, describe, jobState, number, runKeyOrNull, text, textOrNull, type Value } from './shapes.ts';
import { DELIVERY } from './status.ts';

const integer = v.pipe(v.number(), v.integer());
const flag = v.boolean();
const tasks = (description: string) => describe(v.array(text), `${description}: step/n, the first thousand`);
const findings = (description: string) => describe(v.array(v.object({ code: text, message: text })), description);
const root = describe(text, 'sha256:<hex> over the digests of shards of 10,000 lines');
const taskSet = (description: string) => describe(text, `${description}: a set, 0-4,17`);
const counters = describe(v.record(text, text), 'exact decimals');

const source = describe(
  v.object({
    kind: v.picklist(['file', 'store', 's3', 'pipe']),
    path: v.optional(text),
    pin: v.optional(v.object({ inode: text, size: count, mtimeNs: text })),
    bucket: v.optional(text),
    key: v.optional(text),
    etag: v.optional(text),
    version: v.optional(describe(textOrNull, 'null if the bucket keeps no versions')),
  }),
  'the version that was read',
);

const changed = describe(
  v.object({
    timeout: v.optional(describe(v.nullable(number), 'seconds; null: as defined by the steps')),
    params: v.optional(v.record(text, text)),
    defaults: v.optional(describe(v.record(text, text), 'of the corrected job file')),
    code: v.optional(describe(textOrNull, 'SHA-256 of the corrected code')),
    steps: v.optional(describe(v.record(text, v.unknown()), 'the fields that the corrected job file changed, by step')),
  }),
  'changes from this round on',
);

/** The basis of a proof. Bounded however large the job is: a root stands for a long list, and lists are cut. */
export const EVIDENCE = v.object({
  record: describe(text, 'digest of job.json without its inputs'),
  spec: describe(text, 'digest of the spec with defaults'),
  code: describe(textOrNull, "SHA-256 of the archive of the job's files"),
  images: describe(v.nullable(v.record(text, text)), 'digests of images, by step'),
  submitted: describe(
    v.object({ who: text, when: text, host: text, version: text }),
    'who submitted the job, when, where, with which version',
  ),
  inputs: describe(
    v.object({
      count,
      bytes: count,
      records: v.nullable(integer),
      root,
      listed: describe(
        v.array(
          v.object({
            name: text,
            size: count,
            checksum: describe(textOrNull, 'null if the bytes were not read'),
            checksumFrom: describe(
              v.nullable(v.picklist(['submit', 'verify'])),
              'the command that read the bytes; null: none',
            ),
            source,
          }),
        ),
        'the first hundred',
      ),
    }),
    'the inputs',
  ),
  parts: describe(v.object({ count, root }), 'the parts'),
  steps: describe(
    v.array(
      v.object({
        name: text,
        root,
        ends: describe(count, 'tasks with a recorded end'),
        outputs: describe(count, 'outputs that count'),
        bytesIn: count,
        bytesOut: count,
        counters,
        made: describe(
          v.array(v.object({ round: count, code: textOrNull, outputs: count })),
          'outputs by code and round',
        ),
        failed: taskSet('for good, or given up'),
        skipped: taskSet('skipped'),
      }),
    ),
    "the results of each step's tasks",
  ),
  gathers: describe(
    v.array(v.object({ step: text, took: describe(count, 'outputs or files'), leftOut: taskSet('skipped') })),
    'the inputs of each gather',
  ),
  files: describe(v.array(v.object({ step: text, count, root })), 'files that became tasks after an `explode`'),
  tolerance: describe(
    v.object({
      value: describe(text, 'a count or a percentage'),
      who: text,
      when: text,
      entry: describe(v.nullable(integer), 'the journal entry that set it; null: the job file'),
    }),
    'how many chains may fail, and who set it',
  ),
  rounds: describe(
    v.array(
      v.object({
        round: count,
        entry: count,
        who: text,
        when: text,
        tasks: describe(v.record(text, text), 'sets by step'),
        changed,
        added: v.optional(describe(v.object({ first: count, count }), 'of an extension: the parts that it added')),
      }),
    ),
    'retries and extensions',
  ),
  decisions: describe(
    v.object({
      count,
      root,
      listed: describe(
        v.array(
          v.object({ n: count, what: text, who: text, when: text, checksum: describe(text, "of the entry's bytes") }),
        ),
        'the first two hundred',
      ),
    }),
    'the journal: who did what',
  ),
});

/** The findings of `verify`, as a proof states them. */
export const VERIFY_RESULT = v.object({
  format: v.literal(1),
  job: text,
  runKey: runKeyOrNull,
  state: jobState,
  round: describe(count, 'the latest'),
  entry: describe(integer, 'the last journal entry that was considered; -1 if none'),
  digest: describe(text, 'of the job as accepted: spec, code and inputs'),
  verdict: describe(v.picklist(['proven', 'failed', 'unfinished']), 'unfinished: the job is not closed'),
  deep: describe(flag, 'outputs and pieces were read and compared'),
  checked: v.object({
    parts: count,
    inputs: count,
    bytes: describe(count, 'of the inputs, decompressed'),
    outputs: count,
  }),
  rehearsal: v.optional(
    describe(
      v.object({
        parts: describe(count, 'the parts of its sample'),
        of: describe(count, 'the parts of the whole input'),
      }),
      'only for a rehearsal, whose proof does not claim that all of the input is in parts',
    ),
  ),
  steps: describe(
    v.array(
      v.object({
        name: describe(text, "the step's"),
        tasks: describe(count, 'number of tasks'),
        published: describe(count, 'outputs'),
        failed: describe(count, 'for good, or given up'),
        skipped: describe(count, 'skipped by a person'),
        missing: describe(count, 'neither published nor failed for good'),
      }),
    ),
    'in the order of the job file',
  ),
  chains: v.object({
    failed: describe(count, 'chains that ended in a failure'),
    tolerated: describe(count, 'chains that may fail'),
  }),
  failed: tasks('failed for good'),
  skipped: tasks('skipped by a person'),
  skips: describe(
    v.array(v.object({ step: text, tasks: describe(text, 'a set: `0-4,17`'), who: text, when: text, reason: text })),
    'skips, by whom',
  ),
  missing: tasks('neither published nor failed for good'),
  late: tasks('published after a gather had opened without them: kept, never used'),
  altered: describe(v.array(text), 'outputs and pieces that differ from those published or split'),
  expectations: describe(
    v.array(
      v.object({
        equation: describe(text, 'as in the job file'),
        ok: flag,
        left: describe(textOrNull, 'exact decimals; null if not counted'),
        right: textOrNull,
        accepted: v.optional(
          describe(
            v.object({ who: text, when: text, reason: text }),
            'who accepted that it does not hold; absent: no one',
          ),
        ),
      }),
    ),
    'the control totals',
  ),
  evidence: describe(v.nullable(EVIDENCE), 'the evidence for the proof; null for a job that is not closed'),
  problems: findings('what makes the proof fail, as stable codes'),
  warnings: findings('what does not make it fail'),
});

const { format, runKey, verdict, steps, problems } = VERIFY_RESULT.entries;

/** The answer of `verify`; with `--check`, about the file's own proof, of which little may be readable. */
export const VERIFY_ANSWER = v.object({
  ...v.partial(VERIFY_RESULT).entries,
  format,
  runKey,
  verdict,
  steps,
  problems,
  job: describe(textOrNull, "the job's id; null only for a file without a readable proof"),
  state: describe(v.nullable(jobState), 'of the job'),
  checked: describe(v.nullable(VERIFY_RESULT.entries.checked), 'amounts that were checked'),
  delivery: v.optional(DELIVERY),
  proof: v.optional(describe(textOrNull, 'key of the proof in the store')),
  prunedAt: v.optional(
    describe(textOrNull, 'when its outputs, parts and logs were removed: this is its last proof, from before'),
  ),
  repair: v.optional(
    describe(
      v.nullable(
        v.object({
          recorded: describe(count, 'events written to the ledger'),
          sent: describe(count, 'messages'),
          missing: describe(v.record(text, text), 'sets of tasks by step'),
          replaced: v.optional(
            describe(v.record(text, text), 'outputs removed because their input was made again: sets of tasks by step'),
          ),
          reopened: describe(flag, 'the job was opened again'),
          withheld: describe(v.nullable(v.picklist(['paused', 'cancelled', 'stopped'])), 'why nothing was sent'),
          redelivered: v.optional(
            describe(textOrNull, 'what was removed or altered since the delivery, which was therefore repeated'),
          ),
        }),
      ),
      'only with --repair',
    ),
  ),
  check: v.optional(
    describe(
      v.nullable(
        v.object({
          file: text,
          lines: count,
          sha256: describe(text, 'of all lines before the last, as written'),
          checksum: describe(textOrNull, "of the stored proof's bytes"),
          who: describe(textOrNull, 'who made the proof'),
          when: textOrNull,
          version: describe(textOrNull, 'the version of batchctl that made it'),
          mismatches: findings('contradictions found'),
          warnings: findings('times that contradict each other, as after a wrong clock'),
        }),
      ),
      'only with --check',
    ),
  ),
});

export type VerifyAnswer = Value<typeof VERIFY_ANSWER>;
