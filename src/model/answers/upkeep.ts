import * as v from 'valibot';
import { count, instant, text, textOrNull, told, type Value } from './shapes.ts';

const resized = {
  group: text,
  from: count,
  to: count,
  onDemand: told(v.nullable(count), 'number of instances on demand from now on instead of spot; null if unchanged'),
};

/** What a round came to, as `tick` answers it. */
export const TICKED = v.object({
  keeper: told(text, 'the id under which it is recorded as active'),
  fired: told(
    v.array(v.object({ schedule: text, period: text, at: instant, job: textOrNull })),
    'with --dry-run: what would be fired, without a job',
  ),
  waiting: told(
    v.array(v.object({ schedule: text, period: text, at: instant, why: text })),
    'waiting for their input, because of --await-input',
  ),
  missed: told(
    v.array(v.object({ schedule: text, period: text, at: instant })),
    'whose catch-up time ended since the last round',
  ),
  moved: told(
    v.array(v.object({ job: text, move: v.picklist(['open', 'retry-rest', 'close']) })),
    'what was due for open jobs',
  ),
  raised: told(v.array(v.object(resized)), 'groups'),
  lowered: told(v.array(v.object(resized)), 'groups whose launches hung without work'),
  delivered: told(v.array(text), 'results of deliveries, as text'),
  troubles: told(
    v.array(
      v.object({
        about: text,
        kind: told(text, 'of the error'),
        message: text,
        hint: textOrNull,
        news: told(v.boolean(), 'false: it was reported within the last hour'),
      }),
    ),
    'what failed, while everything else was done',
  ),
  dryRun: v.boolean(),
});

export type TickAnswer = Value<typeof TICKED>;

/** One check of `doctor`. */
export const CHECK_RESULT = v.object({
  check: told(text, 'stable identifier of the check'),
  status: v.picklist(['pass', 'warn', 'fail']),
  message: told(text, 'what was found'),
  mend: told(textOrNull, 'the command or step that fixes it; null for a pass'),
});

export type CheckResult = Value<typeof CHECK_RESULT>;

const WRONG = v.array(v.object({ job: text, why: text }));

/** What `ledger rebuild` answers. */
export const REBUILT = v.object({
  jobs: told(count, 'jobs written to the ledger'),
  attempts: told(count, 'attempts written to the ledger, known before or not'),
  exact: told(count, 'jobs whose counts are known to match the store'),
  unreadable: WRONG,
  damaged: told(WRONG, "failures that can't be read in full; the readable part was written"),
  dryRun: told(v.boolean(), 'true: nothing was written'),
});

export type RebuiltAnswer = Value<typeof REBUILT>;
