import { loadConfig } from '../../src/config/load-config.ts';
import type { Cause } from '../../src/model/cause.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { expectExit } from '../support/expect-exit.ts';
import type { Workspace } from '../support/workspace.ts';

/** The causes that the command `why` prints, most important first. */
export async function causesOf(
  workspace: Workspace,
  job: string,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Cause[]> {
  const ended = await workspace.run(['why', job, '--json'], env);
  const { causes } = JSON.parse(ended.stdout) as { causes: readonly Cause[] };
  expectExit(ended, causes.length === 0 ? 0 : 11);
  return causes;
}

export const codesIn = (causes: readonly Cause[]): readonly string[] => causes.map(({ code }) => code);

/** A platform in this process whose wall clock is this many milliseconds ahead. */
export async function platformAhead(workspace: Workspace, ms: number): Promise<Platform> {
  const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '' });
  const platform = await openPlatform(config, { role: 'cli', who: 'test@here', leaseSeconds: 5 });
  workspace.atEnd(() => platform.close());
  const { clock } = platform;
  return { ...platform, clock: { ...clock, now: () => clock.now() + ms, monotonic: () => clock.monotonic() } };
}
