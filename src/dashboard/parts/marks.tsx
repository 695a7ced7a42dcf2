import type { ComponentChildren } from 'preact';
import { formatCount, formatDistance, formatInstant } from '../../cli/format.ts';
import type { Tone } from '../../cli/report-html/theme.ts';
import type { State } from '../api-routes.ts';
import { now, zone } from '../clock.ts';
import { type Progress, toneOfState } from '../words/job.ts';

const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M3.5 8.5l3 3 6-7',
  bad: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  doubtful: 'M8 3.5v5.5M8 11.6v.9',
  open: 'M8 4v4.2l2.8 2',
};

/** An icon beside a word, so that the tone is clear without colour. */
export function ToneIcon({ tone }: { readonly tone: Tone }) {
  return (
    <svg class={`sign ${tone}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="7.25" />
      <path d={SIGNS[tone]} />
    </svg>
  );
}

export function Mark({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`mark ${tone}`}>
      <ToneIcon tone={tone} />
      {children}
    </span>
  );
}

export function StateMark({ state }: { readonly state: State }) {
  return <Mark tone={toneOfState(state)}>{state}</Mark>;
}

interface NotedProps {
  readonly children: ComponentChildren;
  /** In small print below; none if null or false. */
  readonly note: ComponentChildren;
}

export function WithNote({ children, note }: NotedProps) {
  return (
    <>
      {children}
      {note !== null && note !== false && <small>{note}</small>}
    </>
  );
}

/** A count that is bad unless it is 0. */
export function BadCount({ children, bad = children > 0 }: { readonly children: number; readonly bad?: boolean }) {
  return <span class={bad ? 'bad strong' : ''}>{formatCount(children)}</span>;
}

export interface Figure {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: Tone | null;
}

export function Figures({ figures }: { readonly figures: readonly Figure[] }) {
  return (
    <dl class="figures">
      {figures.map(({ name, value, note, tone = null }) => (
        <div key={name} class={tone ?? ''}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="small">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Parts of the bar from left to right: decided, running, waiting. */
const KINDS = ['done', 'failed', 'skipped', 'running', 'waiting'] as const;
type Kind = (typeof KINDS)[number];

const KIND_WORDS: Readonly<Record<Kind, string>> = {
  done: 'done',
  failed: 'failed for good',
  skipped: 'skipped',
  running: 'running',
  waiting: 'waiting',
};

/** A stacked bar. Each part has a minimum width, so that one failure among a million is visible. */
export function ProgressBar({ name, progress }: { readonly name: string; readonly progress: Progress }) {
  const kinds = KINDS.filter((kind) => progress[kind] > 0);
  const words = kinds.map((kind) => `${formatCount(progress[kind])} ${KIND_WORDS[kind]}`);
  const text = words.length === 0 ? 'no tasks yet' : words.join(', ');
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

interface WhenProps {
  /** ISO-8601; null if unknown. */
  readonly at: string | null | undefined;
  readonly unknown?: string;
}

/** An instant with its zone and its distance from now. */
export function When({ at, unknown = '–' }: WhenProps) {
  if (at === null || at === undefined) return <span class="unknown">{unknown}</span>;
  const instant = Date.parse(at);
  return (
    <time dateTime={at} class="when">
      {formatInstant(instant, zone)} <span class="muted">({formatDistance(instant - now.value)})</span>
    </time>
  );
}

/** The distance from now, with the instant as a tooltip: for tables. */
export function Ago({ at, unknown = '–' }: WhenProps) {
  if (at === null || at === undefined) return <span class="unknown">{unknown}</span>;
  const instant = Date.parse(at);
  return (
    <time dateTime={at} title={formatInstant(instant, zone)} class="when">
      {formatDistance(instant - now.value)}
    </time>
  );
}
