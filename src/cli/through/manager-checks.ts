import type { ManagerProfile } from '../../config/load-config.ts';
import { failedCheck, runChecks } from '../../jobs/doctor/machine-checks.ts';
import { VERSION } from '../../lib/version.ts';
import type { CheckResult } from '../../model/answers/upkeep.ts';
import { isVersionCompatible, releaseLineOf } from '../../model/api.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import { type DutyHealth, isTroubled, type ManagerHealth } from '../../model/manager-health.ts';
import { openManager } from '../../platform/open-manager.ts';
import type { Manager } from '../../ports/manager.ts';
import { NO_EVENTS } from '../../verbs/context.ts';
import { doctor } from '../../verbs/diagnosis.ts';
import { asCallable } from '../../verbs/verb.ts';
import type { Context } from '../context.ts';
import { callVerb } from './call-verb.ts';

/** Milliseconds that clocks may differ before a typed time means a different instant there. */
const MAX_CLOCK_SKEW_MS = 30_000;

/** Checks the connection to the manager, the token, versions and clocks, and then runs the manager's own checks. */
export async function managerChecks(ctx: Context, profile: ManagerProfile): Promise<readonly CheckResult[]> {
  let manager: Manager;
  try {
    manager = openManager(profile, ctx.io.env);
  } catch (error) {
    return [failedCheck('token', error, HOST_FIX)];
  }
  try {
    let said: Awaited<ReturnType<Manager['hello']>> | null = null;
    const way = await runChecks([
      {
        code: 'manager',
        run: async (signal) => {
          said = await manager.hello(signal);
          return pass(`${profile.url} answers; ${certificateOf(profile)}`);
        },
      },
    ]);
    if (said === null) return way;
    const own = await managerDoctorChecks(ctx, manager);
    const isKnown = own.some(({ code, severity }) => code === 'token' && severity === 'pass');
    const health = isKnown ? await healthChecks(manager, profile, ctx.clock.now(), ctx.signal) : [];
    return [...way, ...helloChecks(said), ...own, ...health];
  } finally {
    await manager.close();
  }
}

function certificateOf({ url, fingerprint }: ManagerProfile): string {
  if (url.startsWith('http:')) return 'it is on this machine, and the connection is not encrypted';
  return fingerprint === null ? 'an authority signed its certificate' : `its certificate is ${fingerprint}`;
}

function helloChecks({ version, ahead }: Awaited<ReturnType<Manager['hello']>>): readonly CheckResult[] {
  return [versionCheck(version), ...clockChecks(ahead)];
}

function versionCheck(version: string | null): CheckResult {
  const code = 'version';
  if (version === null)
    return { code, ...fail('it reports no version: is it a manager?', "correct the profile's url") };
  if (isVersionCompatible(version, VERSION)) {
    return { code, ...pass(`it runs batchctl ${version}, this is ${VERSION}`) };
  }
  const message = `it runs batchctl ${version}, which does not support ${VERSION}`;
  return { code, ...fail(message, `use batchctl ${releaseLineOf(version)}.x here`) };
}

function clockChecks(ahead: number | null): readonly CheckResult[] {
  if (ahead === null) return [];
  const code = 'clock';
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  if (Math.abs(ahead) <= MAX_CLOCK_SKEW_MS) {
    return [{ code, ...pass(`its clock and this one differ by ${seconds} s`) }];
  }
  const message = `its clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} this one, so times mean another instant there`;
  return [{ code, ...warn(message, 'synchronize both clocks with NTP') }];
}

/** The manager's own `doctor` checks, each under `manager.`. Receiving them proves that the token is valid. */
async function managerDoctorChecks(ctx: Context, manager: Manager): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  try {
    const silent = { ...ctx, notice: () => {} };
    for await (const result of await callVerb(silent, manager, asCallable(doctor), {}, NO_EVENTS)) {
      results.push({ ...result, code: `manager.${result.code}` });
    }
  } catch (error) {
    return [failedCheck('token', error, HOST_FIX)];
  }
  return [{ code: 'token', ...pass('the manager accepts the token') }, ...results];
}

const HOST_FIX = "run batchctl doctor on the manager's host";

/** Milliseconds before a certificate expires at which to warn. Automatic renewal has happened by then. */
const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** Checks of the manager's own duties and certificate; none for a manager too old to report them. */
async function healthChecks(
  manager: Manager,
  { fingerprint }: Pick<ManagerProfile, 'fingerprint'>,
  now: number,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  let health: ManagerHealth | null;
  try {
    health = await manager.health(signal);
  } catch (error) {
    return [failedCheck('duties', error, DUTY_FIX)];
  }
  if (health === null) return [];
  return [...dutyChecks(health.duties, now), ...certificateCheck(health.certificateExpires, fingerprint, now)];
}

const DUTY_FIX = "check the manager's log, and run batchctl doctor on its host";

function dutyChecks(duties: readonly DutyHealth[], now: number): readonly CheckResult[] {
  const troubled = duties.filter((duty) => isTroubled(duty, now));
  const findings =
    troubled.length === 0 ? [pass("the manager's duties are running")] : troubled.flatMap((duty) => dutyFindings(duty));
  return findings.map((finding) => ({ code: 'duties', ...finding }));
}

function dutyFindings({ duty, failing, running, troubles }: DutyHealth): readonly Finding[] {
  if (failing !== null)
    return [fail(`its duty ${duty} has been failing since ${failing.since}: ${failing.message}`, DUTY_FIX)];
  if (troubles.length > 0) return troubles.map((trouble) => warn(`its duty ${duty}: ${trouble}`, DUTY_FIX));
  return [fail(`its duty ${duty} hangs: its current run began ${running}`, DUTY_FIX)];
}

function certificateCheck(expires: string | null, fingerprint: string | null, now: number): readonly CheckResult[] {
  if (expires === null || Date.parse(expires) - now > EXPIRY_WARNING_MS) return [];
  const when = Date.parse(expires) <= now ? 'expired' : 'expires';
  const fix =
    fingerprint === null
      ? 'renew the files of --tls-cert and --tls-key on the manager; it reloads them'
      : 'a renewed certificate has another fingerprint: get it and correct the profile';
  return [{ code: 'certificate', ...warn(`its certificate ${when} ${expires}`, fix) }];
}
