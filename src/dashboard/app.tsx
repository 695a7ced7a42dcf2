import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { newVersion } from './call.ts';
import { ActionDialog } from './parts/action-dialog.tsx';
import { HelpDialog, NotLive, PageHeader } from './parts/page-header.tsx';
import { announced, Command, Empty, LazyPart } from './parts/section.tsx';
import { route, savedScroll } from './route.ts';
import { asking, me, refusal, signIn, token } from './session.ts';
import { lastHeard, shownJob } from './tab.ts';
import { JobView } from './views/job/job.tsx';
import { JobsView } from './views/jobs.tsx';
import { QueuesView } from './views/queues.tsx';
import { SchedulesView } from './views/schedules.tsx';
import { WorkerLog, WorkersView } from './views/workers.tsx';

export function App() {
  return (
    <>
      {token.value === null ? !asking.value && <SignIn /> : <SignedIn />}
      <p class="sr" role="status" aria-live="polite">
        {announced.value}
      </p>
    </>
  );
}

function SignedIn() {
  const main = useRef<HTMLElement>(null);
  const { view, names } = route.value;
  const place = [view, ...names].join('/');
  useRouteFocus(place, main.current);
  return (
    <>
      {/* No link to an anchor: the hash is the route. */}
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to main content
      </button>
      <PageHeader />
      <main ref={main} tabIndex={-1} class={lastHeard.value === null ? '' : 'stale'}>
        {newVersion.value !== null && (
          <p class="alarm">
            <b>The manager now runs batchctl {newVersion.value}.</b> Reload this page.
          </p>
        )}
        {/* A job's page says itself that it is lost. */}
        {shownJob.value?.health.state !== 'lost' && <NotLive />}
        {me.value !== null && me.value.scope !== 'operate' && (
          <p class="note">
            The token {me.value.name} has the scope {me.value.scope}: actions that require more are disabled.
          </p>
        )}
        <View />
      </main>
      <ActionDialog />
      <HelpDialog />
    </>
  );
}

function View() {
  const { view, names } = route.value;
  const [name] = names;
  if (view === 'jobs') return name === undefined ? <JobsView /> : <JobView key={name} job={name} />;
  if (view === 'workers') return name === undefined ? <WorkersView /> : <WorkerLog key={name} worker={name} />;
  if (view === 'queues') return <QueuesView />;
  if (view === 'schedules') return <SchedulesView />;
  if (view === 'submit') return <LazyPart load={loadSubmit} />;
  return (
    <>
      <h1>Page not found</h1>
      <Empty>Choose jobs, workers, queues or schedules above.</Empty>
    </>
  );
}

const loadSubmit = async () => (await import('./views/submit.tsx')).SubmitView;

/** Moves the focus to the main content when the route changes, but not on load, and scrolls to where its entry was left. */
function useRouteFocus(place: string, main: HTMLElement | null): void {
  const before = useRef(place);
  useEffect(() => {
    if (before.current === place || main === null) return;
    before.current = place;
    main.focus({ preventScroll: true });
    return scrollBackTo(savedScroll(), main);
  }, [place]);
}

/** Events that show that a person may be scrolling. */
const SCROLLING = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const;

/**
 * Scrolls to a position in pixels. While the page is too short for it, because its data are still to come, it scrolls again
 * each time the page grows, until a person scrolls. Returns what ends this.
 */
function scrollBackTo(top: number, main: HTMLElement): () => void {
  const ended = new AbortController();
  const grown = new ResizeObserver(restore);
  function restore(): void {
    scrollTo(0, top);
    if (scrollY >= Math.floor(top)) ended.abort();
  }
  ended.signal.addEventListener('abort', () => grown.disconnect());
  for (const name of SCROLLING) addEventListener(name, () => ended.abort(), { signal: ended.signal, passive: true });
  grown.observe(main);
  restore();
  return () => ended.abort();
}

/** Asks for a token, which only this tab keeps. */
function SignIn() {
  const text = useSignal('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), [refusal.value]);
  return (
    <main id="main" class="sign-in" tabIndex={-1}>
      <h1>batchctl</h1>
      {refusal.value !== null && (
        <div class="alarm" role="alert">
          <b>Sign-in refused:</b> {refusal.value}
        </div>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = text.value.trim();
          if (given !== '') signIn(given);
        }}
      >
        <p class="field">
          <label for="token">Token</label>
          <input
            id="token"
            ref={input}
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            aria-describedby="token-hint"
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
          <small id="token-hint">The tabs of this page keep it until you sign out or close them.</small>
        </p>
        <p class="buttons">
          <button type="submit" class="primary">
            Sign in
          </button>
        </p>
      </form>
      <p class="lead">To create a token, run this on the manager's machine, or on any machine with its profile:</p>
      <Command>batchctl manager token create NAME --scope operate</Command>
    </main>
  );
}
