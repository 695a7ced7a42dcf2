import { localizeInstants } from '../../../cli/format.ts';
import type { Tone } from '../../../cli/report-html/theme.ts';
import type { Finding, Status } from '../../api-routes.ts';
import { exactNow, zone } from '../../clock.ts';
import { Mark } from '../../parts/marks.tsx';
import { FixSteps, Problem, Section } from '../../parts/section.tsx';
import { useQuery } from '../../use-query.ts';
import { progressOf } from '../../words/job.ts';

const EVERY_MS = 30_000;

const TONES: Readonly<Record<Finding['severity'], Tone>> = {
  stops: 'bad',
  fails: 'bad',
  slows: 'doubtful',
  waits: 'open',
  note: 'open',
};

const withLocalTimes = (text: string): string => localizeInstants(text, zone, exactNow());

/** Why the job is slow or stuck, and how to fix it; nothing if no problem is found. */
export function Findings({ status }: { readonly status: Status }) {
  const { job, state, round, workers } = status;
  const { failed } = progressOf(status);
  const { document, error, again, busy } = useQuery('why', state === 'succeeded' ? null : { job }, {
    when: `${state} ${round} ${workers.running} ${failed}`,
    ...(state !== 'failed' && state !== 'cancelled' && { everyMs: EVERY_MS }),
  });
  // Causes of failed tasks have their own section.
  const findings = (document?.causes ?? []).filter(({ code }) => code !== 'failing');
  if (error === null && findings.length === 0) return null;
  const tools = (
    <button type="button" onClick={again} aria-disabled={busy}>
      {busy ? 'Checking...' : 'Check again'}
    </button>
  );
  return (
    <Section title="Why" lead="What slows or stops the job, most severe first." tools={tools}>
      {error !== null && <Problem error={error} again={again} />}
      <ol class="findings">
        {findings.map((finding, at) => (
          // The message has counts that change; a key from it would lose the focus.
          <li key={`${finding.code} ${findings.slice(0, at).filter(({ code }) => code === finding.code).length}`}>
            <Mark tone={TONES[finding.severity]}>{finding.severity}</Mark>
            <div>
              <p>
                <b>{withLocalTimes(finding.message)}</b>
              </p>
              {finding.evidence.length > 0 && (
                <ul class="muted">
                  {finding.evidence.map((line) => (
                    <li key={line}>{withLocalTimes(line)}</li>
                  ))}
                </ul>
              )}
              <FixSteps fix={finding.fix} />
            </div>
          </li>
        ))}
      </ol>
    </Section>
  );
}
