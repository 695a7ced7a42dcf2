import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { AwsProfile, Config, LocalProfile, ManagerProfile } from '../config/load-config.ts';
import { failedCheck, machineChecks, runChecks } from '../jobs/doctor/machine-checks.ts';
import type { CheckResult } from '../model/answers/upkeep.ts';
import { pass } from '../model/finding.ts';
import type { Context } from './context.ts';

/**
 * Runs every possible check, in order of dependency. Without a valid configuration there is no profile to check, and
 * without a valid root no platform; checks that need neither still run.
 */
export async function runDoctorChecks(
  ctx: Context,
  managerChecks: ManagerChecks = async () => [],
): Promise<readonly CheckResult[]> {
  let config: Config | null = null;
  let configuration: CheckResult;
  try {
    config = await ctx.config();
    const where =
      config.file === null
        ? `no configuration file; jobs run on this machine, from a script too (in a crontab, set BATCHCTL_CONFIG)`
        : relative(ctx.io.cwd, config.file);
    const message = `${where}: profile ${config.profile.name}, by ${config.profileFrom}`;
    configuration = { code: 'configuration', ...pass(message) };
  } catch (error) {
    configuration = failedCheck('configuration', error, 'batchctl schema config describes what is allowed');
  }
  const machine = runChecks(
    machineChecks({
      nodeVersion: process.versions.node,
      env: ctx.io.env,
      tz: config?.profile.tz ?? null,
      platform: process.platform,
    }),
  );
  const profile = config === null ? [] : await checkProfile(ctx, config, managerChecks);
  return [configuration, ...(await machine), ...profile];
}

/** How a profile is checked that uses a manager. */
type ManagerChecks = (ctx: Context, profile: ManagerProfile) => Promise<readonly CheckResult[]>;

async function checkProfile(
  ctx: Context,
  config: Config,
  managerChecks: ManagerChecks,
): Promise<readonly CheckResult[]> {
  const { profile } = config;
  switch (profile.backend) {
    case 'local':
      return checkLocal(ctx, profile);
    case 'aws':
      return checkAws(config, profile).catch((error: unknown) => [
        failedCheck('services', error, 'fix this and run doctor again'),
      ]);
    case 'manager':
      return managerChecks(ctx, profile);
    default:
      return profile satisfies never;
  }
}

/** Services, the bucket's settings, and what jobs depend on. Writes nothing with another account's credentials. */
async function checkAws(config: Config, profile: AwsProfile): Promise<readonly CheckResult[]> {
  const [{ awsChecks }, { openPlatform }, { gridChecks }] = await Promise.all([
    import('../platform/checks.ts'),
    import('../platform/open-platform.ts'),
    import('../jobs/doctor/grid-checks.ts'),
  ]);
  const checks = await awsChecks(profile);
  try {
    const services = await runChecks(checks.services);
    const failed = new Set(services.flatMap(({ code, severity }) => (severity === 'fail' ? [code] : [])));
    if (failed.has('bucket') || failed.has('identity')) return services;
    const settings = await runChecks(checks.settings);
    if (failed.has('account')) return [...services, ...settings];
    // No listener: a check reports a queue's differences itself.
    const platform = await openPlatform(config, { role: 'cli' });
    try {
      const grid = gridChecks(platform).filter(({ code }) => (NEEDS[code] ?? []).every((need) => !failed.has(need)));
      return [...services, ...settings, ...(await runChecks([...grid, ...checks.encryption(platform.store)]))];
    } finally {
      await platform.close();
    }
  } finally {
    await checks.close();
  }
}

/** The checks that each check depends on. If one of them failed, this one would fail for the same reason. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  workers: ['ledger'],
  openJobs: ['ledger'],
  deadLetters: ['queue'],
};

async function checkLocal(ctx: Context, profile: LocalProfile): Promise<readonly CheckResult[]> {
  const { diskCheck, localChecks, localDatabaseChecks, localDisks } = await import('../platform/checks.ts');
  const disk = await runChecks([diskCheck(profile)]);
  if (disk.some(({ severity }) => severity === 'fail')) return disk;
  const files = [...disk, ...(await runChecks(await localChecks(profile)))];
  const checkSpace = async (): Promise<readonly CheckResult[]> => {
    const { spaceFinding } = await import('../jobs/doctor/grid-checks.ts');
    return runChecks([{ code: 'diskSpace', run: async () => spaceFinding(await localDisks(profile)) }]);
  };
  // Without these nothing is opened, so the other checks would fail for the same reason: a full disk may be that reason.
  if (files.some(({ code, severity }) => ['sqlite', 'root', 'rootMode'].includes(code) && severity === 'fail'))
    return [...files, ...(await checkSpace()).filter(({ severity }) => severity === 'fail')];
  const root = [...files, ...(await runChecks(await localDatabaseChecks(profile)))];
  // Opening creates the root, which a check must not do.
  if (!existsSync(profile.root)) return [...root, ...(await checkSpace())];
  try {
    const [platform, { gridChecks }] = await Promise.all([ctx.platform(), import('../jobs/doctor/grid-checks.ts')]);
    return [...root, ...(await runChecks(gridChecks(platform)))];
  } catch (error) {
    return [...root, failedCheck('store', error, 'fix the failed checks above and run doctor again')];
  }
}
