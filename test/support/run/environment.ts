/** What of the environment is the machine's and not a command's: it stays as the test run has it. */
const KEPT = ['HOME', 'PATH', 'TMPDIR'];

/** Of a process whose requests to AWS are to be checked (aws-requests.mjs). */
export function checked(): Readonly<Record<string, string>> {
  const names = ['BATCHCTL_TEST_AWS_REQUESTS', 'BATCHCTL_TEST_AWS_DEPARTURES'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** What a process, or the AWS SDK in it, reads once; and what it may die of. */
const OF_A_PROCESS = /^(AWS_.*|BATCHCTL_TEST_KILL|FAKETIME.*|HOME|.*_PROXY|LD_PRELOAD|NODE_.*|PATH|TMPDIR|TZ)$/i;

/** How far a command's wall clock is ahead. A process reads it once, so here `Date` is moved instead. */
const AHEAD = 'BATCHCTL_TEST_AHEAD_SECONDS';
/** The machine's wall clock, also while a command here has another. */
export const trueNow = Date.now;

let given: Readonly<Record<string, string>> = {};
let givenAhead = '0';
let running = 0;

/** Whether a command with these variables needs a process of its own. */
export function needsProcess(env: Readonly<Record<string, string>>): boolean {
  return Object.keys(env).some((name) => OF_A_PROCESS.test(name));
}

/**
 * Runs a command in this process with a command's environment in place of the last one's. Answers null where it can't, as
 * another command runs here that has another environment.
 */
export async function withEnvironment<T>(
  env: Readonly<Record<string, string>>,
  command: () => Promise<T>,
): Promise<T | null> {
  const wanted = Object.fromEntries(Object.entries(env).filter(([name]) => !KEPT.includes(name) && name !== AHEAD));
  const { [AHEAD]: ahead = '0' } = env;
  if (running > 0 && !(ahead === givenAhead && isSame(wanted, given))) return null;
  for (const name of Object.keys(given)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
  given = wanted;
  givenAhead = ahead;
  if (ahead !== '0') Date.now = () => trueNow() + 1_000 * Number(ahead);
  // For threads that the command starts.
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
