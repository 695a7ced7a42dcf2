import { Empty, Loading, LogBox, Problem, Section } from '../parts/section.tsx';
import { useAsk } from '../use-ask.ts';

const EVERY_MS = 5_000;

/** What a worker has written of itself, and what its instance wrote as it booted. */
export function WorkerLog({ worker }: { readonly worker: string }) {
  const { document, error, again } = useAsk('workersLogs', { worker }, { everyMs: EVERY_MS });
  const { log = null, boot = null } = document ?? {};
  const parts = [
    ['Its last lines', log],
    ['As it started', boot],
  ] as const;
  return (
    <>
      <p class="up">
        <a href="#/workers">Workers</a>
      </p>
      <h1>{worker}</h1>
      {error !== null && <Problem error={error} again={again} />}
      {document === null && error === null && <Loading what="its log" />}
      {document !== null && !log && !boot && <Empty>It has written nothing yet.</Empty>}
      {parts.map(
        ([name, text]) =>
          text && (
            <Section key={name} title={name}>
              <LogBox name={name} text={text} />
            </Section>
          ),
      )}
    </>
  );
}
