import type { Overview, Status } from '../answers.ts';
import { attentionOf, type Notice, ofJob } from './attention.ts';
import { percentText, progressOf, shareDecided } from './progress.ts';
import type { Tone } from './tone.ts';

/** What a tab says of itself while another is in front. */
export interface Tab {
  readonly title: string;
  /** How what it shows stands: the colour of its icon. */
  readonly tone: Tone;
}

export interface TabSight {
  /** The view's name as it is shown. */
  readonly view: string;
  /** Of a job's page: its id, and its status once it is known. */
  readonly job: string | null;
  readonly status: Status | null;
  readonly overview: Overview | null;
  /** Whether what is known is what is. */
  readonly live: boolean;
}

/** `41 % · claims claims-2026-11`, `failed · claims-1`, `(2) Jobs`, `not live · Jobs`: what matters first, as tabs are narrow. */
export function tabOf({ view, job, status, overview, live }: TabSight, zone: string, at: number): Tab {
  const place = job === null ? view : status === null ? job : `${status.name} ${status.runKey ?? status.job}`;
  if (!live) return { title: `not live · ${place} · batchctl`, tone: 'doubtful' };
  const notices = overview === null ? [] : attentionOf(overview, zone, at);
  if (job === null) {
    const count = notices.length === 0 ? '' : `(${notices.length}) `;
    return { title: `${count}${place} · batchctl`, tone: toneOf(notices) };
  }
  if (status === null) return { title: `${place} · batchctl`, tone: 'open' };
  const share = shareDecided(progressOf(status));
  const word = status.state === 'running' && share !== null ? percentText(share) : status.state;
  const tone = status.state === 'succeeded' ? 'good' : toneOf(ofJob(status, overview?.workers ?? null, zone, at));
  return { title: `${word} · ${place} · batchctl`, tone };
}

/** The weightiest is the first. */
const toneOf = (notices: readonly Notice[]): Tone =>
  (['bad', 'doubtful'] as const).find((tone) => notices.some((notice) => notice.tone === tone)) ?? 'open';
