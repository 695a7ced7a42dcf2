import { shortMessageOf } from './outcome.ts';

/**
 * Warns of a job's trouble once, and again only if it is another: an idle worker looks every second. `prefix` says where it
 * was seen.
 */
export function warnOncePerJob(
  log: { warn(message: string): void },
  prefix = '',
): (job: string, error: unknown) => void {
  const warned = new Map<string, string>();
  return (job, error) => {
    const message = shortMessageOf(error);
    if (warned.get(job) === message) return;
    warned.set(job, message);
    log.warn(`${prefix}job ${job}: ${message}`);
  };
}
