/**
 * Seconds without work after which a group's worker leaves, about, and its machine with it: waiting as long as booting
 * again costs is at most twice as dear as knowing what comes (docs/adr/0024).
 */
export const IDLE_EXIT = 120;
