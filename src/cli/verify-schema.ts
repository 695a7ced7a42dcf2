import type { JsonSchema } from './command.ts';
import { deliverySchema } from './verb-schema.ts';
import { EVIDENCE } from './verify-evidence-schema.ts';

const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };
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
