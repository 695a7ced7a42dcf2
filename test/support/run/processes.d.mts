/** Kills the processes that belong to a directory, and those that they start meanwhile, and waits until they are gone. */
export function killProcessesOf(directory: string, patienceMs: number): Promise<void>;
