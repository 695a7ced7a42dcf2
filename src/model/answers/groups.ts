import * as v from 'valibot';
import { count, instant, instantOrNull, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

const countOrNull = v.nullable(count);
const machines = told(countOrNull, 'null where the group has no machines');

/** A group as `scale` answers it. */
export const LISTED_GROUP = v.object({
  group: text,
  desired: count,
  min: count,
  max: count,
  mode: v.picklist(['auto', 'manual']),
  running: told(count, 'workers that are up, by their heartbeats'),
  until: told(instantOrNull, 'when a temporary size ends'),
  inService: machines,
  pending: machines,
  terminating: machines,
  protected: machines,
  visible: told(countOrNull, 'messages that wait; null when a size was set'),
  leased: countOrNull,
  delayed: countOrNull,
  drain: told(numberOrNull, 'seconds until they are done by the workers that are up'),
  held: told(
    v.nullable(
      v.object({
        failed: told(count, 'boots in a row'),
        instance: told(text, 'the last: workers logs takes it'),
        at: instant,
        line: told(textOrNull, 'the last that it wrote'),
      }),
    ),
    'boots that failed in a row, so that no instance is started automatically; scale lifts this',
  ),
  troubles: told(
    v.array(
      v.object({
        code: v.picklist(['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network', 'setup', 'other']),
        message: told(text, 'in the words of the service'),
        at: instant,
      }),
    ),
    'why the last launches failed, newest first, each reason once',
  ),
});

export type ListedGroup = Value<typeof LISTED_GROUP>;
