/** What of the environment is the machine's and not a command's: it stays as the test run has it. */
const KEPT = ['HOME', 'PATH', 'TMPDIR'];

/** Of a process whose requests to AWS are to be checked (aws-requests.mjs). */
export function checked(): Readonly<Record<string, string>> {
  const names = ['BATCHCTL_TEST_AWS_REQUESTS', 'BATCHCTL_TEST_AWS_DEPARTURES'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

let given: Readonly<Record<string, string>> = {};
let running = 0;

/**
 * Runs a command in this process with a command's environment in place of the last one's. Answers null where it can't, as
 * another command runs here that has another environment.
 */
export async function withEnvironment<T>(
  env: Readonly<Record<string, string>>,
  command: () => Promise<T>,
): Promise<T | null> {
  const wanted = Object.fromEntries(Object.entries(env).filter(([name]) => !KEPT.includes(name)));
  if (running > 0 && !isSame(wanted, given)) return null;
  for (const name of Object.keys(given)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
  given = wanted;
  running += 1;
  try {
    return await command();
  } finally {
    running -= 1;
  }
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
