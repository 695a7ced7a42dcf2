/** How busy a machine is: the average number of processes that want to run (over a minute), and its processors. */
export interface MachineLoad {
  readonly average: number;
  readonly cores: number;
}

/** A machine that is so much too busy tells nothing more by being busier. */
const MOST = 10;

/** How many times slower than alone a task may be there: 1 while every process has a processor. */
export function slowdown(load: MachineLoad | null): number {
  return load === null ? 1 : Math.min(MOST, Math.max(1, load.average / load.cores));
}
