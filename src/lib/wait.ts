/** Resolves after `ms`, or as soon as the signal aborts; never rejects, and keeps no process alive past the signal. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** `ms` give or take a tenth, so that pollers spread out. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
