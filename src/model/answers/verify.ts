import * as v from 'valibot';
import { count, describe, jobState, number, text, textOrNull, type Value } from './shapes.ts';
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
    version: v.optional(textOrNull),
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
  'what changed from then on',
);

/** The basis of a proof. Bounded however large the job is: a root stands for a long list, and lists are cut. */
export const EVIDENCE = v.object({
  record: describe(text, 'digest of job.json without its inputs'),
  spec: describe(text, 'digest of the spec with defaults'),
  code: describe(textOrNull, "SHA-256 of the archive of the job's files"),
  images: describe(v.nullable(v.record(text, text)), 'digests of images, by step'),
  submitted: v.object({ who: text, when: text, host: text, version: text }),
  inputs: v.object({
    count,
    bytes: count,
    records: v.nullable(integer),
    root,
    listed: describe(
      v.array(
        v.object({
          name: text,
          size: count,
          checksum: textOrNull,
          checksumFrom: describe(v.nullable(v.picklist(['submit', 'verify'])), 'who read the bytes; null: no one'),
          source,
        }),
      ),
      'the first hundred',
    ),
  }),
  parts: v.object({ count, root }),
  steps: v.array(
    v.object({
      name: text,
      root,
      ends: describe(count, 'tasks whose end is known'),
      outputs: describe(count, 'those that count'),
      bytesIn: count,
      bytesOut: count,
      counters,
      made: describe(v.array(v.object({ round: count, code: textOrNull, outputs: count })), 'by code and round'),
      failed: taskSet('for good, or given up'),
      skipped: taskSet('skipped'),
    }),
  ),
  gathers: v.array(v.object({ step: text, took: describe(count, 'outputs or files'), leftOut: taskSet('skipped') })),
  files: describe(v.array(v.object({ step: text, count, root })), 'files that steps after an explode used as tasks'),
  tolerance: v.object({
    value: describe(text, 'a count or a percentage'),
    who: text,
    when: text,
    entry: describe(v.nullable(integer), 'the journal entry that set it; null: the job file'),
  }),
  rounds: describe(
    v.array(
      v.object({
        round: count,
        entry: count,
        who: text,
        when: text,
        tasks: describe(v.record(text, text), 'sets by step'),
        changed,
      }),
    ),
    'retries',
  ),
  decisions: v.object({
    count,
    root,
    listed: describe(
      v.array(
        v.object({ n: count, what: text, who: text, when: text, checksum: describe(text, "of the entry's bytes") }),
      ),
      'the first two hundred',
    ),
  }),
});

/** The findings of `verify`, as a proof states them. */
export const VERIFY_RESULT = v.object({
  format: v.literal(1),
  job: text,
  runKey: textOrNull,
  state: jobState,
  round: count,
  entry: describe(integer, 'the last journal entry that was considered; -1 if none'),
  digest: describe(text, 'of the job as accepted: spec, code and inputs'),
  verdict: describe(v.picklist(['proven', 'failed', 'unfinished']), 'unfinished: the job is not closed'),
  deep: describe(flag, 'every byte was read'),
  checked: v.object({ parts: count, inputs: count, bytes: describe(count, 'decompressed'), outputs: count }),
  rehearsal: v.optional(
    describe(
      v.object({ parts: count, of: count }),
      'only for a rehearsal: the parts of its sample, of the whole input; nothing is claimed about the rest',
    ),
  ),
  steps: v.array(
    v.object({
      name: text,
      tasks: count,
      published: count,
      failed: describe(count, 'for good, or given up'),
      skipped: count,
      missing: count,
    }),
  ),
  chains: v.object({ failed: count, tolerated: count }),
  failed: tasks('failed for good'),
  skipped: tasks('skipped by a person'),
  skips: v.array(v.object({ step: text, tasks: text, who: text, when: text, reason: text })),
  missing: tasks('neither published nor failed for good'),
  late: tasks('published after a gather had opened without them: kept, never used'),
  altered: describe(v.array(text), 'outputs and pieces that differ from what was published or split'),
  expectations: v.array(
    v.object({
      equation: text,
      ok: flag,
      left: textOrNull,
      right: textOrNull,
      accepted: v.optional(
        describe(
          v.object({ who: text, when: text, reason: text }),
          'who accepted that it does not hold; absent: no one',
        ),
      ),
    }),
  ),
  evidence: describe(v.nullable(EVIDENCE), 'what the proof rests on; null for a job that is not closed'),
  problems: findings('what breaks the proof, as stable codes'),
  warnings: findings('what does not break it'),
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
  job: describe(textOrNull, 'null only for a file without a readable proof'),
  state: v.nullable(jobState),
  checked: v.nullable(VERIFY_RESULT.entries.checked),
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
          reopened: flag,
          withheld: v.nullable(v.picklist(['paused', 'cancelled', 'stopped'])),
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
