import type { ManagerProfile } from '../../config/load-config.ts';
import { isOurs } from '../../errors.ts';
import type { CheckResult } from '../../model/answers/doctor.ts';
import { type DutyHealth, isTroubled, type ManagerHealth } from '../../model/manager-health.ts';
import type { Manager } from '../../ports/manager.ts';

/** Milliseconds before a certificate expires at which to warn. Automatic renewal has happened by then. */
const SOON_MS = 14 * 86_400_000;

/** Checks of the manager's own duties and certificate; none for a manager too old to report them. */
export async function healthChecks(
  manager: Manager,
  { fingerprint }: Pick<ManagerProfile, 'fingerprint'>,
  now: number,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  let health: ManagerHealth | null;
  try {
    health = await manager.health(signal);
  } catch (error) {
    if (!isOurs(error)) throw error;
    return [{ check: 'duties', status: 'fail', message: error.message, mend: error.hint ?? WHERE }];
  }
  if (health === null) return [];
  return [...dutyChecks(health.duties, now), ...certificateCheck(health.certificateExpires, fingerprint, now)];
}

const WHERE = "check the manager's log, and run batchctl doctor on its host";

function dutyChecks(duties: readonly DutyHealth[], now: number): readonly CheckResult[] {
  const troubled = duties.filter((duty) => isTroubled(duty, now));
  if (troubled.length === 0)
    return [{ check: 'duties', status: 'pass', message: "the manager's duties are running", mend: null }];
  return troubled.flatMap((duty) => lackOf(duty).map((message) => ({ check: 'duties', ...message, mend: WHERE })));
}

type Lack = Pick<CheckResult, 'status' | 'message'>;

function lackOf({ duty, failing, running, troubles }: DutyHealth): readonly Lack[] {
  if (failing !== null) {
    return [
      { status: 'fail', message: `its duty ${duty} has been failing since ${failing.since}: ${failing.message}` },
    ];
  }
  if (troubles.length > 0)
    return troubles.map((trouble) => ({ status: 'warn', message: `its duty ${duty}: ${trouble}` }));
  return [{ status: 'fail', message: `its duty ${duty} hangs: its current run began ${running}` }];
}

function certificateCheck(expires: string | null, fingerprint: string | null, now: number): readonly CheckResult[] {
  if (expires === null || Date.parse(expires) - now > SOON_MS) return [];
  const when = Date.parse(expires) <= now ? 'expired' : 'expires';
  const mend =
    fingerprint === null
      ? 'renew the files of --tls-cert and --tls-key on the manager; it reloads them'
      : 'a renewed certificate has another fingerprint: get it and correct the profile';
  return [{ check: 'certificate', status: 'warn', message: `its certificate ${when} ${expires}`, mend }];
}
