import { availableParallelism, loadavg } from 'node:os';

/** This machine's load over the last minute, and its processors; 0 where the system tells none (Windows). */
export function machineLoad(): { readonly average: number; readonly cores: number } {
  return { average: loadavg()[0] ?? 0, cores: availableParallelism() };
}
