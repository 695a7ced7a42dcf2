import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { jobKey } from '../../../model/keys.ts';
import type { AcceptedJob, Status } from '../../api-routes.ts';
import { hashOf } from '../../hash.ts';
import { saveBlob } from '../../objects.ts';
import { When } from '../../parts/marks.tsx';
import { CopyButton, Loading, LogBox, QueryStatus, Section } from '../../parts/section.tsx';
import { whyDenied } from '../../session.ts';
import { useQuery } from '../../use-query.ts';

/** The job as it was accepted, as a job file that submits it again. */
export function JobFilePage({ status: { job } }: { readonly status: Status }) {
  const record = useQuery('record', { key: jobKey(job), through: true });
  const text = useJobFile(record.document);
  const save = (): void => saveBlob(new Blob([text ?? ''], { type: 'application/yaml' }), `${job}.yaml`);
  return (
    <Section
      title="Job file"
      lead="As accepted, with parameters and flags applied; sizes are in bytes, durations in seconds. Later changes are in the history."
      tools={
        text !== null && (
          <>
            <CopyButton text={text} copied="Copied">
              Copy
            </CopyButton>
            <button type="button" onClick={save}>
              Download
            </button>
            {whyDenied('submit') === null && <a href={hashOf(['submit'], { from: job })}>Submit it again</a>}
          </>
        )
      }
    >
      <QueryStatus query={record} what="the job file" />
      {record.document !== null && <Acceptance record={record.document} />}
      {record.document !== null &&
        (text === null ? <Loading what="the job file" /> : <LogBox name="Text of the job file" text={text} />)}
    </Section>
  );
}

function Acceptance({ record }: { readonly record: AcceptedJob }) {
  const { createdBy, host, createdAt, version, runKey, period, code } = record;
  return (
    <p class="meta">
      <span>
        submitted by {createdBy} on {host}, <When at={createdAt} />
      </span>
      <span>batchctl {version}</span>
      {runKey !== null && <span>run key {runKey}</span>}
      {period !== null && <span>period {period}</span>}
      {code !== null && (
        <span>
          code <code>{code.slice(0, 12)}</code>
        </span>
      )}
    </p>
  );
}

/** The YAML of a job's spec. Loads the library that writes it when first used; null until then. */
export function useJobFile(record: AcceptedJob | null): string | null {
  const text = useSignal<string | null>(null);
  useEffect(() => {
    if (record === null) return undefined;
    let wanted = true;
    void import('../../../jobs/spec/format-job-file.ts').then(({ formatJobFile }) => {
      if (wanted) text.value = formatJobFile(record.spec);
    });
    return () => {
      wanted = false;
    };
  }, [record]);
  return text.value;
}
