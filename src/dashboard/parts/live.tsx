import { formatDistance } from '../../cli/format.ts';
import { now } from '../clock.ts';
import type { Health } from '../feed/feed.ts';
import { health, overview, retryNow, trouble } from '../feed/overview.ts';

const clockText = (instant: number): string => new Date(instant).toLocaleTimeString('en-GB');

/** A few letters in the header: whether what is shown is what is. */
export function LiveBadge() {
  const { state } = health.value;
  const words = { connecting: 'connecting', live: 'live', lost: 'not live', ended: 'ended', refused: 'not live' }[
    state
  ];
  return <span class={`live ${state}`}>{words}</span>;
}

/** Says above everything that what is below is old, since when, and why. */
export function NotLive({ of = health.value }: { readonly of?: Health }) {
  if (of.state === 'refused') {
    return (
      <div class="alarm">
        <b>Not live:</b> {of.error.message}
        {of.error.hint !== null && <> {of.error.hint}</>}
      </div>
    );
  }
  if (of.state === 'lost') {
    return (
      <div class="alarm">
        <b>
          Not live since {clockText(of.since)} ({formatDistance(of.since - now.value)})
        </b>
        : {of.why}. What is shown is as it was then; it is tried again by itself.{' '}
        <button type="button" class="quiet" onClick={retryNow}>
          try now
        </button>
      </div>
    );
  }
  if (trouble.value !== null) {
    return (
      <div class="alarm">
        <b>The manager could not look:</b> {trouble.value.message} {trouble.value.hint}
      </div>
    );
  }
  const troubles = overview.value?.troubles ?? [];
  return (
    <>
      {troubles.map(({ message, hint }) => (
        <div key={message} class="alarm">
          <b>Not all could be looked at:</b> {message} {hint}
        </div>
      ))}
    </>
  );
}
