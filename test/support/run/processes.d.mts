/** Kills the processes that name a directory, or another text, and those that they start meanwhile, and waits until they are gone. */
export function killProcessesOf(directory: string, patienceMs?: number): Promise<void>;
