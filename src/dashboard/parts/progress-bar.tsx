import { formatCount } from '../../cli/format.ts';
import type { Progress } from '../words/progress.ts';

/** From left to right: what is decided, what is under way, what waits. */
export const KINDS = ['done', 'failed', 'skipped', 'running', 'waiting'] as const;
export type Kind = (typeof KINDS)[number];

export const KIND_WORDS: Readonly<Record<Kind, string>> = {
  done: 'done',
  failed: 'failed for good',
  skipped: 'skipped',
  running: 'running',
  waiting: 'waiting',
};

/** A stacked bar. What there is of a kind is seen, however little: one failure among a million. */
export function ProgressBar({ name, progress }: { readonly name: string; readonly progress: Progress }) {
  const kinds = KINDS.filter((kind) => progress[kind] > 0);
  const words = kinds.map((kind) => `${formatCount(progress[kind])} ${KIND_WORDS[kind]}`);
  const text = words.length === 0 ? 'nothing yet' : words.join(', ');
  return (
    <div class="bar" role="img" aria-label={`${name}: ${text}`} title={text}>
      {kinds.map((kind) => (
        <span key={kind} class={`fill-${kind}`} style={{ flexGrow: progress[kind] }} />
      ))}
    </div>
  );
}

export function ProgressLegend() {
  return (
    <ul class="legend">
      {KINDS.map((kind) => (
        <li key={kind}>
          <span class={`swatch fill-${kind}`} />
          {KIND_WORDS[kind]}
        </li>
      ))}
    </ul>
  );
}
