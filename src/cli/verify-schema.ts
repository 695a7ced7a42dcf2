import type { JsonSchema } from './command.ts';
import { deliverySchema } from './verb-schema.ts';

const tasks = (description: string) => ({
  type: 'array',
  items: text,
  description: `${description}: step/n, the first thousand`,
});

const findings = (description: string) => ({
  type: 'array',
  description,
  items: { type: 'object', required: ['code', 'message'], properties: { code: text, message: text } },
});

/** What `verify --json` gives; with `--check`, of the file's own proof. */
export const verifySchema = async (): Promise<JsonSchema> => ({
  type: 'object',
  required: ['format', 'job', 'runKey', 'state', 'verdict', 'checked', 'steps', 'problems'],
  properties: {
    format: { const: 1 },
    job: { ...textOrNull, description: 'null only for a file without a readable proof' },
    runKey: textOrNull,
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled', null] },
    round: count,
    entry: { type: 'integer', description: 'the last journal entry that was considered; -1 if none' },
    digest: { ...text, description: 'of the job as accepted: spec, code and inputs' },
    verdict: { enum: ['proven', 'failed', 'unfinished'], description: 'unfinished: the job is not closed' },
    deep: { type: 'boolean', description: 'every byte was read' },
    checked: {
      type: ['object', 'null'],
      properties: { parts: count, inputs: count, bytes: { ...count, description: 'decompressed' }, outputs: count },
    },
    rehearsal: {
      type: 'object',
      description:
        'only for a rehearsal: the parts of its sample, of the whole input; nothing is claimed about the rest',
      properties: { parts: count, of: count },
    },
    delivery: await deliverySchema(),
    steps: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: text,
          tasks: count,
          published: count,
          failed: { ...count, description: 'for good, or given up' },
          skipped: count,
          missing: count,
        },
      },
    },
    chains: { type: 'object', properties: { failed: count, tolerated: count } },
    failed: tasks('failed for good'),
    skipped: tasks('skipped by a person'),
    skips: {
      type: 'array',
      items: { type: 'object', properties: { step: text, tasks: text, who: text, when: text, reason: text } },
    },
    missing: tasks('neither published nor failed for good'),
    late: tasks('published after a gather had opened without them: kept, never used'),
    altered: {
      type: 'array',
      items: text,
      description: 'outputs and pieces that differ from what was published or split',
    },
    expectations: {
      type: 'array',
      items: {
        type: 'object',
        properties: { equation: text, ok: { type: 'boolean' }, left: textOrNull, right: textOrNull },
      },
    },
    evidence: EVIDENCE,
    problems: findings('what breaks the proof, as stable codes'),
    warnings: findings('what does not break it'),
    proof: { ...textOrNull, description: 'key of the proof in the store' },
    repair: {
      type: ['object', 'null'],
      description: 'only with --repair',
      properties: {
        recorded: { ...count, description: 'events written to the ledger' },
        sent: { ...count, description: 'messages' },
        missing: { type: 'object', description: 'sets of tasks by step' },
        reopened: { type: 'boolean' },
        withheld: { enum: ['paused', 'cancelled', 'stopped', null] },
      },
    },
    check: {
      type: ['object', 'null'],
      description: 'only with --check',
      properties: {
        file: text,
        lines: count,
        sha256: { ...text, description: 'of all lines before the last, as written' },
        checksum: { ...textOrNull, description: "of the stored proof's bytes" },
        who: { ...textOrNull, description: 'who made the proof' },
        when: textOrNull,
        version: { ...textOrNull, description: 'the version of batchctl that made it' },
        mismatches: findings('contradictions found'),
      },
    },
  },
});

const count = { type: 'integer', minimum: 0 };

const text = { type: 'string' };

const textOrNull = { type: ['string', 'null'] };

const root = { ...text, description: 'sha256:<hex> over the digests of shards of 10,000 lines' };

const set = (description: string) => ({ ...text, description: `${description}: a set, 0-4,17` });

const counters = { type: 'object', description: 'exact decimals', additionalProperties: text };

const object = (properties: Record<string, unknown>) => ({ type: 'object', properties });

const list = (properties: Record<string, unknown>, description?: string) => ({
  type: 'array',
  ...(description !== undefined && { description }),
  items: object(properties),
});

const source = {
  ...object({
    kind: { enum: ['file', 'store', 's3', 'pipe'] },
    path: text,
    pin: object({ inode: text, size: count, mtimeNs: text }),
    bucket: text,
    key: text,
    etag: text,
    version: textOrNull,
  }),
  description: 'the version that was read',
};

const changed = {
  ...object({
    timeout: { type: ['number', 'null'], description: 'seconds; null: as defined by the steps' },
    params: { type: 'object', additionalProperties: text },
    defaults: { type: 'object', description: 'of the corrected job file', additionalProperties: text },
    code: { ...textOrNull, description: 'SHA-256 of the corrected code' },
    steps: { type: 'object', description: 'the fields that the corrected job file changed, by step' },
  }),
  description: 'what changed from then on',
};

/** What a proof rests on, in the answer of `verify`. */
const EVIDENCE: JsonSchema = {
  type: ['object', 'null'],
  description: 'what the proof rests on; null for a job that is not closed',
  properties: {
    record: { ...text, description: 'digest of job.json without its inputs' },
    spec: { ...text, description: 'digest of the spec with defaults' },
    code: { ...textOrNull, description: "SHA-256 of the archive of the job's files" },
    images: { type: ['object', 'null'], description: 'digests of images, by step', additionalProperties: text },
    submitted: object({ who: text, when: text, host: text, version: text }),
    inputs: object({
      count,
      bytes: count,
      records: { type: ['integer', 'null'] },
      root,
      listed: list(
        {
          name: text,
          size: count,
          checksum: textOrNull,
          checksumFrom: { enum: ['submit', 'verify', null], description: 'who read the bytes; null: no one' },
          source,
        },
        'the first hundred',
      ),
    }),
    parts: object({ count, root }),
    steps: list({
      name: text,
      root,
      ends: { ...count, description: 'tasks that it has the end of' },
      outputs: { ...count, description: 'those that count' },
      bytesIn: count,
      bytesOut: count,
      counters,
      made: list({ round: count, code: textOrNull, outputs: count }, 'by code and round'),
      failed: set('for good, or given up'),
      skipped: set('skipped'),
    }),
    gathers: list({ step: text, took: { ...count, description: 'outputs or files' }, leftOut: set('skipped') }),
    files: list({ step: text, count, root }, 'files that steps after an explode used as tasks'),
    tolerance: object({
      value: { ...text, description: 'a count or a percentage' },
      who: text,
      when: text,
      entry: { type: ['integer', 'null'], description: 'the journal entry that set it; null: the job file' },
    }),
    rounds: list(
      {
        round: count,
        entry: count,
        who: text,
        when: text,
        tasks: { type: 'object', description: 'sets by step', additionalProperties: text },
        changed,
      },
      'retries',
    ),
    decisions: object({
      count,
      root,
      listed: list(
        { n: count, what: text, who: text, when: text, checksum: { ...text, description: "of the entry's bytes" } },
        'the first two hundred',
      ),
    }),
  },
};
