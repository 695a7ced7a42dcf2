import { formatCount } from '../../cli/format.ts';
import type { Overview } from '../answers.ts';
import { now, zone } from '../clock.ts';
import { Sign } from '../parts/marks.tsx';
import { attentionOf, type Notice } from '../words/attention.ts';
import { isOpen } from '../words/job-state.ts';

/** So many are told before somebody asks for more. */
const TOLD = 6;

/** What needs a person, the weightiest first. */
export function Attention({ seen }: { readonly seen: Overview }) {
  const notices = attentionOf(seen, zone, now.value);
  if (notices.length === 0) {
    return seen.jobs.some(({ state }) => isOpen(state)) ? (
      <p class="attention calm">
        <Sign tone="good" /> Nothing needs you.
      </p>
    ) : null;
  }
  const rest = notices.slice(TOLD);
  return (
    <section class="attention" aria-label="What needs you">
      <Notices notices={notices.slice(0, TOLD)} />
      {rest.length > 0 && (
        <details>
          <summary>and {formatCount(rest.length)} more</summary>
          <Notices notices={rest} />
        </details>
      )}
    </section>
  );
}

function Notices({ notices }: { readonly notices: readonly Notice[] }) {
  return (
    <ul class="notices">
      {notices.map(({ key, tone, text, href }) => (
        <li key={key} class={tone}>
          <Sign tone={tone} />
          <a href={href}>{text}</a>
        </li>
      ))}
    </ul>
  );
}
