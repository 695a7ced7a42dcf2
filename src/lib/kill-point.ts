/** With `BATCHCTL_TEST_KILL=publish:3` this process gets SIGKILL when it passes `publish` for the third time. */
export function killPoints(env: Readonly<Record<string, string | undefined>>): (point: string) => void {
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
