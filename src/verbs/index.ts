import type { AnyVerb } from './verb.ts';

/** Every declared verb by its name on the command line. Each is loaded when it is asked for. */
export const VERBS: Readonly<Record<string, () => Promise<AnyVerb>>> = {
  status: async () => (await import('./status.ts')).status,
  jobs: async () => (await import('./jobs.ts')).jobs,
  retry: async () => (await import('./retry.ts')).retry,
  failures: async () => (await import('./failures.ts')).failures,
  tasks: async () => (await import('./tasks.ts')).tasks,
  'tasks kill': async () => (await import('./tasks.ts')).tasksKill,
  history: async () => (await import('./history.ts')).history,
  why: async () => (await import('./why.ts')).why,
  logs: async () => (await import('./logs.ts')).logs,
  report: async () => (await import('./report.ts')).report,
  watch: async () => (await import('./watch.ts')).watch,
  submit: async () => (await import('./submit.ts')).submit,
  plan: async () => (await import('./plan.ts')).plan,
  run: async () => (await import('./run.ts')).run,
  fetch: async () => (await import('./fetch.ts')).fetch,
  wait: async () => (await import('./wait.ts')).wait,
  pause: async () => (await import('./lifecycle.ts')).pause,
  resume: async () => (await import('./lifecycle.ts')).resume,
  cancel: async () => (await import('./lifecycle.ts')).cancel,
  skip: async () => (await import('./skip.ts')).skip,
  adjust: async () => (await import('./adjust.ts')).adjust,
  ls: async () => (await import('./data.ts')).ls,
  rm: async () => (await import('./data.ts')).rm,
  scale: async () => (await import('./scale.ts')).scale,
  workers: async () => (await import('./workers.ts')).workers,
  'workers logs': async () => (await import('./workers.ts')).workersLogs,
  'workers drain': async () => (await import('./workers.ts')).workersDrain,
  'workers stop': async () => (await import('./workers.ts')).workersStop,
  queue: async () => (await import('./queue.ts')).queue,
  'queue redrive': async () => (await import('./queue.ts')).queueRedrive,
  'queue purge': async () => (await import('./queue.ts')).queuePurge,
  tick: async () => (await import('./tick.ts')).tick,
  doctor: async () => (await import('./doctor.ts')).doctor,
  'schedule ls': async () => (await import('./schedules.ts')).scheduleLs,
  'schedule show': async () => (await import('./schedules.ts')).scheduleShow,
  'schedule next': async () => (await import('./schedules.ts')).scheduleNext,
  'schedule pause': async () => (await import('./schedules.ts')).schedulePause,
  'schedule resume': async () => (await import('./schedules.ts')).scheduleResume,
  'schedule rm': async () => (await import('./schedules.ts')).scheduleRm,
};

/** Verbs that only this program's own command line calls, as a part of a command. */
export const INNER_VERBS: readonly (() => Promise<AnyVerb>)[] = [
  async () => (await import('./report.ts')).reportAttempts,
];
