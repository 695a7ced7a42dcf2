import { formatCount, formatDistance } from '../../cli/format.ts';
import { now } from '../clock.ts';
import { type Health, health, overview, retryNow, trouble } from '../feed/feed.ts';
import { hashOf } from '../hash.ts';
import { route } from '../route.ts';
import { nextScheme, scheme } from '../scheme.ts';
import { me, signOutEverywhere } from '../session.ts';
import { connection, lastHeard } from '../tab.ts';
import { hasUrgentDeadLetters } from '../words/attention.ts';
import { isOpen } from '../words/job.ts';
import { helpShown, keysOn, SHORTCUTS } from './keys.ts';
import { useModal } from './section.tsx';

const clockText = (instant: number): string => new Date(instant).toLocaleTimeString('en-GB');

/** Shows in the header whether the data is up to date. */
function LiveBadge() {
  const { state } = connection.value;
  const words = { connecting: 'connecting', live: 'live', lost: 'not live', ended: 'ended', refused: 'not live' }[
    state
  ];
  return <span class={`live ${state}`}>{lastHeard.value ?? words}</span>;
}

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
        : {of.why}. Everything below is as it was then, and actions are disabled. The page keeps trying to reconnect.{' '}
        <button type="button" class="quiet" onClick={retryNow}>
          retry now
        </button>
      </div>
    );
  }
  if (trouble.value !== null) {
    return (
      <div class="alarm">
        <b>The manager cannot read the current state:</b> {trouble.value.message} {trouble.value.hint}
      </div>
    );
  }
  const troubles = overview.value?.troubles ?? [];
  return (
    <>
      {troubles.map(({ message, hint }) => (
        <div key={message} class="alarm">
          <b>Some data could not be read:</b> {message} {hint}
        </div>
      ))}
    </>
  );
}

const SCHEME_WORDS = { system: 'auto', dark: 'dark', light: 'light' } as const;

export function PageHeader() {
  const seen = overview.value;
  const dead = seen?.queues.reduce((sum, queue) => sum + queue.dead, 0) ?? 0;
  return (
    <header class="page-header">
      <p class="brand">
        <b>batchctl</b>
        <span title={me.value?.location}>{me.value?.profile}</span>
      </p>
      <nav aria-label="Views">
        <View name="jobs" count={seen?.jobs.filter(({ state }) => isOpen(state)).length} of="open" />
        <View name="workers" count={seen?.workers.length} of="up" />
        <View
          name="queues"
          count={dead}
          of="dead"
          bad={seen?.queues.some((queue) => hasUrgentDeadLetters(queue, seen.jobs)) === true}
        />
        <View name="schedules" count={undefined} of="" />
      </nav>
      <div class="tools">
        <LiveBadge />
        <button type="button" class="quiet" onClick={nextScheme} aria-label={`Colours: ${SCHEME_WORDS[scheme.value]}`}>
          {SCHEME_WORDS[scheme.value]}
        </button>
        <button
          type="button"
          class="quiet"
          aria-label="? Keyboard shortcuts"
          onClick={() => {
            helpShown.value = true;
          }}
        >
          ?
        </button>
        <button
          type="button"
          class="quiet"
          title={me.value === null ? undefined : `token ${me.value.name}, scope ${me.value.scope}`}
          onClick={signOutEverywhere}
        >
          sign out
        </button>
      </div>
    </header>
  );
}

interface ViewProps {
  readonly name: string;
  readonly count: number | undefined;
  readonly of: string;
  readonly bad?: boolean;
}

function View({ name, count, of, bad = false }: ViewProps) {
  const { view, names } = route.value;
  const current = view === name ? (names.length === 0 ? 'page' : 'true') : undefined;
  return (
    <a href={hashOf([name])} aria-current={current}>
      {name.charAt(0).toUpperCase() + name.slice(1)}
      {count !== undefined && count > 0 && (
        <span class={bad ? 'count bad' : 'count'}>
          {' '}
          {formatCount(count)}
          <span class="sr"> {of}</span>
        </span>
      )}
    </a>
  );
}

export function HelpDialog() {
  return helpShown.value ? <ShortcutsDialog /> : null;
}

function ShortcutsDialog() {
  const dialog = useModal();
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help-title"
      onClose={() => {
        helpShown.value = false;
      }}
    >
      <h2 id="help-title">Keyboard shortcuts</h2>
      <dl class="keys">
        {SHORTCUTS.map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>Tab</kbd>
          </dt>
          <dd>move through the controls of a row, then on; Enter opens</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>close a dialog without doing anything</dd>
        </div>
      </dl>
      <p class="field flag">
        <input
          type="checkbox"
          id="keys-on"
          checked={keysOn.value}
          onChange={(event) => {
            keysOn.value = event.currentTarget.checked;
          }}
        />
        <label for="keys-on">Enable single-key shortcuts</label>
      </p>
      <p class="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </p>
    </dialog>
  );
}
