/** Seconds without work after which a group's worker leaves, about, and its machine with it. */
export const IDLE_EXIT = 300;
