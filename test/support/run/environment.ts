/** Variables of the machine, which a command's environment doesn't replace. */
const KEPT = ['HOME', 'PATH', 'TMPDIR'];

/** Variables that make a process check its requests to AWS (aws-requests.mjs). */
export function awsCheckVariables(): Readonly<Record<string, string>> {
  const names = ['BATCHCTL_TEST_AWS_REQUESTS', 'BATCHCTL_TEST_AWS_DEPARTURES'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** Variables that a process or its AWS SDK reads only once, or that kill it. */
const PROCESS_VARIABLES = /^(AWS_.*|BATCHCTL_TEST_KILL|FAKETIME.*|HOME|.*_PROXY|LD_PRELOAD|NODE_.*|PATH|TMPDIR|TZ)$/i;

/** Seconds by which a command's clock is ahead. A process reads it once, so here `Date.now` is replaced. */
const AHEAD = 'BATCHCTL_TEST_AHEAD_SECONDS';
/** The machine's wall clock, even while a command in this process has another. */
export const trueNow = Date.now;

let current: Readonly<Record<string, string>> = {};
let currentAhead = '0';
let running = 0;

export function needsProcess(env: Readonly<Record<string, string>>): boolean {
  return Object.keys(env).some((name) => PROCESS_VARIABLES.test(name));
}

/**
 * Runs a command in this process with an environment that replaces the previous command's. Returns null if it can't, because
 * a command with another environment is running here.
 */
export async function withEnvironment<T>(
  env: Readonly<Record<string, string>>,
  command: () => Promise<T>,
): Promise<T | null> {
  const wanted = Object.fromEntries(Object.entries(env).filter(([name]) => !KEPT.includes(name) && name !== AHEAD));
  const { [AHEAD]: ahead = '0' } = env;
  if (running > 0 && !(ahead === currentAhead && isSame(wanted, current))) return null;
  for (const name of Object.keys(current)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
  current = wanted;
  currentAhead = ahead;
  if (ahead !== '0') Date.now = () => trueNow() + 1_000 * Number(ahead);
  // Threads that the command starts read the variable.
  if (ahead === '0') delete process.env[AHEAD];
  else process.env[AHEAD] = ahead;
  running += 1;
  try {
    return await command();
  } finally {
    running -= 1;
    if (running === 0) {
      Date.now = trueNow;
      delete process.env[AHEAD];
    }
  }
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
