import { formatCount } from '../../cli/format.ts';
import { overview } from '../feed/overview.ts';
import { hashOf } from '../hash.ts';
import { helpShown } from '../keys.ts';
import { route } from '../route.ts';
import { nextScheme, scheme } from '../scheme.ts';
import { me, signOut } from '../session.ts';
import { isOpen } from '../words/state-words.ts';
import { LiveBadge } from './live.tsx';

const SCHEME_WORDS = { system: 'auto', dark: 'dark', light: 'light' } as const;

/** Where one is, where one can go, and whether it is live. */
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
        <View name="queues" count={dead} of="dead" bad={dead > 0} />
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
          aria-label="? Keys"
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
          onClick={() => signOut(null)}
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
