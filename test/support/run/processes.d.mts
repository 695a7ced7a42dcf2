/** Kills all processes with the directory in environment, arguments or working directory, and waits for their end. */
export function killProcessesOf(directory: string, timeoutMs?: number): Promise<void>;
