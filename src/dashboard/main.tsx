import { effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './app.tsx';
import { CallError, call } from './call.ts';
import { startClock } from './clock.ts';
import { startOverview } from './feed/feed.ts';
import { startKeys } from './parts/keys.ts';
import { startRoute } from './route.ts';
import { startScheme } from './scheme.ts';
import { me, startSharing, startSignInLink, token } from './session.ts';
import { startTab } from './tab.ts';
import { startVisible } from './visible.ts';

startScheme();
startSignInLink();
startSharing();
startRoute();
startVisible();
startClock();
startKeys();
startOverview();
startTab();

/** Milliseconds until the token's name and scope are asked for again, if no answer arrived. */
const AGAIN_MS = 3_000;

effect(() => {
  if (token.value === null) return undefined;
  const stop = new AbortController();
  const ask = async (): Promise<void> => {
    try {
      me.value = (await call('me', {}, stop.signal)).document;
    } catch (error) {
      // The call itself signs out on a refused token.
      const isOver = stop.signal.aborted || (error instanceof CallError && error.status === 401);
      if (!isOver) setTimeout(() => void ask(), AGAIN_MS);
    }
  };
  void ask();
  return () => stop.abort();
});

render(<App />, document.body);
