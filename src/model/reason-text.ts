/** The texts of the codes that say why a job failed or is paused. */
const REASON_TEXTS: ReadonlyMap<string, string> = new Map([
  ['failures', 'tasks failed for good'],
  ['stopped', 'stopped at the first task that failed for good'],
  ['expect', 'a control total does not hold'],
  ['halt', 'too many tasks failed'],
  ['deployment', 'its program seems to be faulty'],
  ['changed', 'an input has changed since it was accepted'],
  ['secret', 'a secret cannot be read'],
  ['denied', 'a service refuses workers an input or an output'],
  ['budget', 'it has reached its cost limit'],
  ['maxTasks', 'an explode step made more tasks than maxTasks allows'],
  ['lostOutput', 'an output is lost that cannot be made again'],
  ['person', 'by a person'],
]);

/** A code in words. An unknown one, or a person's own text, is returned unchanged: codes are only ever added. */
export const reasonText = (reason: string): string => REASON_TEXTS.get(reason) ?? reason;
