/** Kills all processes that have a directory in their environment, arguments or working directory, and waits until they end. */
export function killProcessesOf(directory: string, timeoutMs?: number): Promise<void>;
