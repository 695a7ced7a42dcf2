import type { Environment } from './environment.ts';
/**
 * For the crash tests: with `BATCHCTL_TEST_KILL=publish:3` this process is killed (SIGKILL, as from outside) when it
 * passes the point `publish` for the third time. Does nothing without that variable.
 */
export function killPoints(env: Environment): (point: string) => void {
  const match = /^([a-z-]+):(\d+)$/.exec(env.BATCHCTL_TEST_KILL ?? '');
  if (match === null) return () => undefined;
  const [, name, times] = match;
  let left = Number(times);
  return (point) => {
    if (point !== name) return;
    left -= 1;
    if (left <= 0) process.kill(process.pid, 'SIGKILL');
  };
}
