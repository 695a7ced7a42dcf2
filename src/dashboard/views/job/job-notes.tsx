import type { Status } from '../../answers.ts';
import { zone } from '../../clock.ts';
import { Sign } from '../../parts/marks.tsx';
import { Command } from '../../parts/section.tsx';
import { notesOf } from '../../words/job-notes.ts';

/** What is to be known of a job besides its counts; nothing of most. */
export function JobNotes({ status }: { readonly status: Status }) {
  const notes = notesOf(status, zone);
  if (notes.length === 0) return null;
  return (
    <ul class="notices" aria-label={`About ${status.job}`}>
      {notes.map(({ tone, text, command }) => (
        <li key={text} class={tone ?? ''}>
          {tone !== null && <Sign tone={tone} />}
          <span>
            {text} {command !== null && <Command>{command}</Command>}
          </span>
        </li>
      ))}
    </ul>
  );
}
