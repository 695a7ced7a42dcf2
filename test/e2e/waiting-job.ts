import { rangeJob } from '../support/range-job.ts';

/** Tasks that each write a line to the file `ran` when they run, and end once the file `go` exists, as `end` does. */
export const waitingJob = (tasks: number, line = 'run', end = 'cat') =>
  rangeJob('waiting', tasks, {
    name: 'only',
    run: `echo ${line} >> "$HOME/ran"; while [ ! -e "$HOME/go" ]; do sleep 0.05; done; ${end}`,
  });
