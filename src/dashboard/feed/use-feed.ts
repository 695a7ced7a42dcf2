import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { changes } from '../use-ask.ts';
import { visible } from '../visible.ts';
import { Feed, type Health } from './feed.ts';

export interface Followed<T> {
  readonly value: T | null;
  readonly health: Health;
}

/** Follows a path for as long as a view is there, by glances while nobody sees it. */
export function useFeed<T>(path: string, event: string): Followed<T> {
  const feed = useSignal<Feed<T> | null>(null);
  useEffect(() => {
    const started = new Feed<T>(path, event, visible);
    feed.value = started;
    return () => started.stop();
  }, [path, event]);
  // What had ended may go on by what was done here.
  useEffect(() => feed.peek()?.retry(), [changes.value]);
  const { value } = feed;
  return { value: value?.value.value ?? null, health: value?.health.value ?? { state: 'connecting' } };
}
