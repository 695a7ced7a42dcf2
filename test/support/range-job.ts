/** A job file with a task for each number from 1 to `tasks`. */
export const rangeJob = <S extends object>(name: string, tasks: number, ...steps: readonly S[]) => ({
  name,
  input: { split: { by: 'range', from: 1, to: tasks } },
  steps,
});
